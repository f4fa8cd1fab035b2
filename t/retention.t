# SPDX-License-Identifier: ISC
# RETENTION_DAYS: what is older goes, here and at Twilio, and does not come
# back; what is younger stays.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use MIME::Base64 qw(encode_base64);
use Ringback::Outside qw(analysis completion);
use Ringback::Pass;
use Ringback::Test;

my $t = Ringback::Test->new(carrier => 1, env => { SMS_REPLY => '' }, fakes => {
	openai => sub ($c, $) { $c->render(json => { task => 'transcribe',
		language => 'english', duration => 3, text => 'hello there',
		segments => [ { id => 0, start => 0, end => 3, text =>
		'hello there', avg_logprob => -0.2, no_speech_prob => 0.01 } ]
		}) },
	llm => sub ($c, $) { $c->render(json => completion(analysis())->{json})
		},
});
my $c = $t->carrier;
my $WHO = '+15005550006';
my $DAY = 86_400;

sub sweep (%env) {
	my ($status, $out, $err) = Ringback::Pass->run($t, { RETENTION_DAYS =>
		30, %env });
	note "$out$err" if $status != 0;
	return $status;
}

sub voicemail { return $c->control(POST => call => { from => $WHO,
	say => 'anything' }) }
sub text ($body) { return $c->control(POST => text => { from => $WHO,
	body => $body, media => [ { base64 => encode_base64('PNG'),
	content_type => 'image/png' } ] })->{message_sid} }

# So much later.
sub days_pass ($days) {
	$c->control(POST => age => { seconds => $days * $DAY });
	for my $table (qw(twilio_calls twilio_sms twilio_recordings
	    transcriptions)) {
		$t->dbh->do("update $table set created_at = created_at - ? *
			interval '1 day'", undef, $days);
	}
	return;
}

sub there { return join ' ', map { $t->sql("select count(*) from $_") }
	qw(twilio_calls twilio_sms twilio_recordings transcriptions) }

my $old = voicemail();
my $old_text = text('long ago');
is sweep(), 0, 'heard';
days_pass(31);
my $new = voicemail();
my $new_text = text('just now');
is sweep(RETENTION_DAYS => 0), 0, 'unset';
is there(), '2 2 2 2', 'everything is kept for ever';

subtest 'Twilio is down: here it goes all the same' => sub {
	$c->stop;
	sweep();
	is there(), '1 1 1 1', 'what is old is gone';
	is $t->sql('select recording_sid from transcriptions'),
		$new->{recording_sid}, 'what is new is not';
	is $t->sql(q{select count(*) from webhook_events where sid = ? and
		body is not null}, $old->{call_sid}), 0,
		'nor does the journal know what was said';
	is $t->sql(q{select count(*) from webhook_events where sid = ? and
		body is not null}, $new->{call_sid}) > 0, 1, 'of the new it does';
	is $t->sql(q{select count(*) from api_calls where recording_sid = '-'}),
		2, 'what was paid is kept, but not for whom';
	$c->start;
	$t->dbh->do('update erased set run_at = now()');
	is sweep(), 0, 'the next pass';
	is $t->sql('select count(*) from erased'), 0, 'makes up for it';
};

subtest 'Twilio keeps its log, and what is new' => sub {
	my %text = map { $_->{sid} => $_ } $c->list('messages');
	is $text{$old_text}{body}, '', 'the old text says nothing';
	is $text{$new_text}{body}, 'just now', 'the new one does';
	is_deeply [ map { $_->{sid} } $c->list('recordings') ],
		[ $new->{recording_sid} ], 'the old recording is gone';
	is scalar $c->requests(qr{^DELETE .*$old_text/Media/}), 1,
		'and what the old text carried';
	is scalar $c->requests(qr{^DELETE .*$new_text/}), 0, 'that only';
	is_deeply [ $c->violations ], [], 'as Twilio wants to be asked';
};

subtest "Twilio's lists do not bring it back" => sub {
	days_pass(1);
	is sweep(RECONCILE_MINUTES => 1, RECONCILE_DAYS => 365), 0,
		'a first look, a year back';
	is there(), '1 1 1 1', 'finds nothing';
};

subtest 'in batches' => sub {
	$t->dbh->do(q{insert into twilio_sms (from_number, to_number, body,
		status, created_at) select ?, ?, 'old', 'received', now() -
		interval '40 days' from generate_series(1, 1300)}, undef, $WHO,
		$Ringback::Test::NUMBER);
	is sweep(), 0, 'a pass';
	is there(), '1 1 1 1', 'takes them all';
};

subtest 'the journal forgets no later' => sub {
	$t->dbh->do(q{update webhook_events set received_at = now() - interval
		'8 days'});
	is sweep(RETENTION_DAYS => 7, JOURNAL_DAYS => 3650), 0, 'a pass';
	is $t->sql('select count(*) from webhook_events where body is not
		null'), 0, 'RETENTION_DAYS wins over a longer JOURNAL_DAYS';
	is there(), '1 1 1 1', 'and what is of today stays';
};

$t->done;
