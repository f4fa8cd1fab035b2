# SPDX-License-Identifier: ISC
# Texts of any bytes whatever, signed as Twilio would: each is answered and
# kept, in the journal byte by byte and in the table as far as text goes.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Digest::SHA qw(sha256_hex);
use Ringback::Figure qw(figure seed long);
use Ringback::Test;
use Ringback::Trouble qw(catch_up kill_pool);
use Ringback::Volley qw(volley signed_post servers);

seed();
my $t = Ringback::Test->new(workers => 4);
my $path = '/api/twilio/sms';

sub pick { return $_[ rand @_ ] }

# Bytes that are no text, text that is cut, text that means something to
# somebody, and what is none of these.
my @pieces = ("\0", "\xff", "\xfe\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90",
	"\xef\xbb\xbf", "\xe2\x80\xa8", "\xf0\x9f\x91\x8d", "\xf0\x9f", "\x80",
	"\r\n", "\x1b[2J", "\x7f", "\\", '\\u0000', '\\x00', "'", '"', '`', '%',
	'%00', '+', '&', '=', '<![CDATA[', ']]>', '&#0;', '{"a":', '$1', '$$',
	"E'\\000'", ';--', 'STOP', ' ', "\xc2\xa0", "\x85");

sub bytes () {
	return join '', map { chr rand 256 } 1 .. int rand 160
		if rand() < 0.5;
	return join '', map { pick(@pieces) } 1 .. int rand 20
		if rand() < 0.9;
	return join '', map { chr rand 256 } 1 .. 5000 + int rand 10_000;
}

# What a text column has of it: well-formed UTF-8 (RFC 3629), and a
# replacement for each other byte and each NUL.
my $character = qr/[\x01-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]
	|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]
	|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}
	|\xf4[\x80-\x8f][\x80-\xbf]{2}/x;

sub as_text ($bytes) {
	my $text = join '', map { /\A$character\z/ ? $_ : "\xef\xbf\xbd" }
		$bytes =~ /$character|./gs;
	utf8::decode($text) or die;
	return $text;
}

subtest 'T16: ten thousand texts of any bytes' => sub {
	my $n = 10_000;
	my $servers = servers($t);
	my (%bytes, @forms, %answers);
	for (1 .. $n) {
		my %text = $t->text(Body => bytes());
		$bytes{ $text{MessageSid} } = $text{Body};
		push @forms, \%text;
	}
	for my $from (0 .. $n / 2500 - 1) {
		my @some = @forms[$from * 2500 .. $from * 2500 + 2499];
		$answers{$_}++ for volley($t, [ map { signed_post($t, $path,
			$_) } @some ]);
	}
	figure('texts of any bytes', $n, '>=', 10_000);
	is_deeply \%answers, { 200 => $n }, 'each is answered with TwiML';
	is servers($t), $servers, 'and nobody died of it';
	is $t->sql('select count(*) from webhook_events'), $n,
		'each is in the journal, once';
	my ($raw, $text) = (0, 0);
	my $rows = $t->dbh->selectall_arrayref(q{select e.sid,
		encode(sha256(e.body), 'hex'), s.body from webhook_events e
		join twilio_sms s on s.message_sid = e.sid});
	my %form = map { $_->{MessageSid} => $_ } @forms;
	my @odd;
	for my $row (@$rows) {
		my ($sid, $hash, $body) = @$row;
		$raw++ if $hash eq sha256_hex(Ringback::Test::encode(
			$form{$sid}));
		$body eq as_text($bytes{$sid}) ? $text++ : push @odd, $sid;
	}
	figure('texts kept byte by byte', $raw, '==', $n);
	figure('texts that say in the table what text can say', $text, '==',
		$n);
	for my $sid (grep { defined } @odd[0 .. 4]) {
		diag unpack('H*', $bytes{$sid}), ' is ', join ' ', map {
			sprintf '%x', ord } split //, $t->sql('select body from
			twilio_sms where message_sid = ?', $sid);
	}
	unlike $t->log('postgres'), qr/22021|invalid byte sequence/,
		'the database never saw what it would not take';
	unlike $t->log('worker-hooks'), qr/kept=spool|why=/,
		'nor was the spool its way out';
};

subtest 'T16: also when nobody is there but nginx' => sub {
	kill_pool($t);
	my @forms = map { { $t->text(Body => bytes()) } } 1 .. 300;
	my %answers;
	$answers{$_}++ for volley($t, [ map { signed_post($t, $path, $_) }
		@forms ]);
	is_deeply \%answers, { 200 => 300 }, 'each is answered with TwiML';
	$t->start;
	ok defined catch_up($t), 'the sweep has taken them in';
	my %hash = map { @$_ } @{ $t->dbh->selectall_arrayref(q{select sid,
		encode(sha256(body), 'hex') from webhook_events where sid =
		any(?)}, undef, [ map { $_->{MessageSid} } @forms ]) };
	figure('texts that nginx kept, byte by byte', scalar(grep {
		($hash{ $_->{MessageSid} } // '') eq sha256_hex(
		Ringback::Test::encode($_)) } @forms), '==', 300);
};

$t->done;
