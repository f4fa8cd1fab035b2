#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# The analyst that stands in for a language model: it speaks OpenAI's protocol,
# keeps to the schema it is given, and says what it is.
use v5.36;
use utf8;
use FindBin;
use lib "$FindBin::Bin/standin/lib";
use Carrier::Test qw(start wait_for);
use Mojo::JSON 'decode_json';
use Mojo::UserAgent;
use Mojo::Util 'encode';
use Test::More;

my $ua = Mojo::UserAgent->new;
my ($pid, $url) = start('analyst', '--listen', '127.0.0.1:0');
my %words = map { $_ => {type => 'array', items => {type => 'string'}} }
    qw(key_points pain_points objections next_steps);
my $schema = {type => 'object', additionalProperties => \0,
    required => ['summary'], properties => {%words,
    summary => {type => 'string'}, score => {type => 'integer'},
    sentiment => {type => 'string', enum =>
	[qw(positive neutral negative mixed)]},
    urgency => {type => 'string', enum => [qw(low medium high)]}}};
my $ask = sub ($text, %more) {
	return wait_for($ua->post_p("$url/v1/chat/completions" => json =>
	    {model => 'any', messages => [{role => 'system',
	    content => 'Analyse.'}, {role => 'user', content =>
	    "<transcript>\n$text\n</transcript>"}],
	    response_format => {type => 'json_schema', json_schema =>
	    {name => 'analysis', strict => \1, schema => $schema}},
	    %more}))->res->json;
};
my $analysis = sub ($text) {
	return decode_json(encode('UTF-8',
	    $ask->($text)->{choices}[0]{message}{content}));
};
my $whole = $ask->('Hello.');
is_deeply [sort keys %$whole], [qw(choices created id model object
    usage)], 'a chat completion';
is_deeply [$whole->@{qw(object model)}], ['chat.completion',
    'rule-based-analyst (no language model)'], '… that says what it is';
is $whole->{choices}[0]{finish_reason}, 'stop', '… and is whole';
is $ask->('Hello.', max_completion_tokens => 2)
    ->{choices}[0]{finish_reason}, 'length', '… or says that it is not';

my $found = $analysis->('Hi, this is Daniel Carter from Riverside Dental, '
    . 'calling about the invoice for last Tuesday. Please call me back '
    . 'before noon tomorrow.');
is_deeply [sort keys %$found], [sort keys $schema->{properties}->%*],
    'every property asked for, no other';
like $found->{summary}, qr/Daniel Carter.*Riverside Dental.*invoice/, 'who';
is_deeply $found->{next_steps}, ['Please call me back before noon tomorrow.'],
    'what is wanted';
is_deeply [$found->@{qw(sentiment urgency score)}], ['neutral', 'medium', 0],
    'how, and a number nothing is known of';
$found = $analysis->('It’s urgent. The heating is broken again. A new one '
    . 'is too expensive.');
is_deeply [$found->@{qw(pain_points objections sentiment urgency)}],
    [['The heating is broken again.'], ['A new one is too expensive.'],
    'negative', 'high'], 'a problem, an objection';
$found = $analysis->('We love the new office, thank you. No problem at all, '
    . 'and it is not urgent.');
is_deeply [$found->@{qw(pain_points sentiment urgency)}],
    [[], 'positive', 'low'], 'what is denied does not count';
is $analysis->('')->{summary}, 'Nothing was said.', 'silence';
like wait_for($ua->post_p("$url/chat/completions" => json => {}))
    ->res->json->{error}{message}, qr/messages/, 'errors as OpenAI\'s';
kill 'TERM', $pid;
waitpid $pid, 0;
is $?, 0, 'SIGTERM ends it in peace';

done_testing;
