# SPDX-License-Identifier: ISC
# A thousand calls and some hundred texts whose callbacks come shuffled, three
# times each, late, by another address, and for a while to a database that is
# down; among the texts STOP and START. The tables end up as a model says that
# knows nothing of the product.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use List::Util qw(shuffle);
use Ringback::Figure qw(figure seed long);
use Ringback::Load;
use Ringback::Model;
use Ringback::Pass;
use Ringback::Test;
use Ringback::Trouble qw(crash_database start_database);
use Ringback::Wire;
use Time::HiRes qw(time);

my $COPIES  = 3;
my $CALLS   = long() ? 10_000 : 1_000;
my $TEXTS   = $CALLS / 5;
my $WAVERING = $CALLS / 10;
my $CLIENTS = 4;

seed();
my $t = Ringback::Test->new(workers => 3);
my $us = $Ringback::Test::NUMBER;
my @callers = map { sprintf '+1500555%04d', 1000 + $_ } 1 .. 20;
my $model = Ringback::Model->new(numbers => { $us => 'PN' . 'b' x 32 });

sub sid { return Ringback::Test::sid(@_) }
sub any (@of) { return $of[rand @of] }

# --- stories ---------------------------------------------------------------

# Statuses of a call in the order in which they happened, as Twilio numbers
# them; now and then a second end, which was none.
sub progress ($call, @statuses) {
	my $seq = 0;
	return map {
		my ($status, %more) = @$_;
		[ '/api/twilio/status', { %$call, CallStatus => $status,
			SequenceNumber => $seq++, CallbackSource =>
			'call-progress-events', %more } ]
	} @statuses;
}

sub ended (@ways) {
	my $end = any(@ways);
	return [ $end, $end eq 'completed'
		? (CallDuration => 1 + int rand 600, SipResponseCode => 200)
		: (CallDuration => 0, SipResponseCode => 487),
		$end eq 'failed' ? (ErrorCode => 13224) : () ];
}

my @ENDS = qw(completed busy failed no-answer canceled);

sub recording ($call_sid, %more) {
	my %of = $t->recording($call_sid, RecordingDuration =>
		1 + int rand 120, %more);
	my %running = (%of, RecordingStatus => 'in-progress');
	delete $running{RecordingDuration};
	my %end = (%of, RecordingStatus => any(('completed') x 6, 'absent',
		'failed'));
	delete $end{RecordingDuration} if $end{RecordingStatus} ne 'completed';
	$end{ErrorCode} = 15002 if $end{RecordingStatus} eq 'failed';
	return map { [ '/api/twilio/recording-status', $_ ] } \%running, \%end;
}

# Somebody leaves a message; seven webhooks.
sub voicemail () {
	my $from = any(@callers);
	my %call = $t->call(From => $from, Caller => $from);
	my @recording = recording($call{CallSid});
	my %action = (%call, CallStatus => any(qw(in-progress completed)),
		Digits => any('hangup', '#'), RecordingDuration => 7,
		map { $_ => $recording[0][1]{$_} }
		qw(RecordingSid RecordingUrl));
	return [ '/api/twilio/voice', \%call ], @recording,
		[ '/api/twilio/recording', \%action ], progress(\%call,
		[ 'in-progress' ], ended('completed'), any([ 'in-progress',
		Timestamp => 'Tue, 01 Sep 2026 10:00:01 +0000' ],
		ended(@ENDS)));
}

# We call somebody, and it may be recorded from its start.
sub outbound () {
	my $to = any(@callers);
	my %call = $t->call(Direction => 'outbound-api', From => $us,
		Caller => $us, To => $to, Called => $to);
	my $answered = any(1, 1, 0);
	my @end = $answered ? ended('completed') : ended(@ENDS[1 .. 4]);
	my @more = $answered ? recording($call{CallSid}, RecordingSource =>
		'OutboundAPI', RecordingChannels => 2) : ();
	return @more, progress(\%call, [ 'queued' ], [ 'initiated' ],
		[ 'ringing' ], $answered ? [ 'in-progress', AnsweredBy =>
		any(qw(human machine_start)) ] : ([ 'ringing' ], [ 'ringing' ]),
		@end, $answered ? () : [ ended(@ENDS)->@*, AnsweredBy =>
		'unknown' ]);
}

# One of ours on its way, or one of theirs.
sub sent_text () {
	my $sid = sid('SM');
	my %text = (MessageSid => $sid, SmsSid => $sid, From => $us,
		To => any(@callers), AccountSid => $Ringback::Test::ACCOUNT,
		ApiVersion => '2010-04-01');
	my @ends = any([qw(delivered)], [qw(delivered read)],
		[qw(undelivered)], [qw(failed)]);
	return map { [ '/api/twilio/status', { %text, MessageStatus => $_,
		SmsStatus => $_, /undelivered|failed/ ? (ErrorCode => 30003)
		: () } ] } qw(accepted queued sending sent), @{ $ends[0] };
}

sub received_text () {
	my %text = $t->text(From => any(@callers), Body => 'Call me at '
		. int rand 12);
	return [ '/api/twilio/sms', \%text ];
}

# Somebody who stops us and lets us go on, by words of theirs and by texts of
# ours that are refused, in any order. What they say to our number they need
# not have said to the Messaging Service.
sub wavering () {
	state $count = 0;
	my $them = sprintf '+1500556%04d', $count++;
	my %refused = (From => $us, To => $them, MessageStatus => 'failed',
		ErrorCode => 21610, AccountSid => $Ringback::Test::ACCOUNT);
	return map {
		my $sid = sid('SM');
		my %via = any(0, 0, 1) ? (MessagingServiceSid => 'MG'
			. 'c' x 32) : ();
		$_ eq 'refused' ? [ '/api/twilio/status', { %refused, %via,
			MessageSid => $sid, SmsSid => $sid } ]
		: [ '/api/twilio/sms', { $t->text(From => $them, %via,
			ref $_ ? @$_ : (Body => $_)) } ]
	} map { any('STOP', ' stop', 'Unsubscribe', 'OPTOUT', 'START',
		"unstop\n", 'Yes', 'START', 'refused', 'Stop it', 'HELP',
		[ Body => 'ARRET', OptOutType => 'STOP' ],
		[ Body => 'REPRENDRE', OptOutType => 'START' ])
	} 0 .. 1 + int rand 3;
}

# --- as Twilio sends them --------------------------------------------------

# By a few clients; what was not answered as it must be. The model is told when
# texts were sent and answered: they came in between.
sub deliver (@posts) {
	my $log = Ringback::Load->run($t, \@posts, clients => $CLIENTS);
	$model->tell(@{ $posts[$_] }, $log->[$_]{at}, $log->[$_]{at}
		+ $log->[$_]{ms} / 1000) for grep {
		$posts[$_][1]{MessageSid} } 0 .. $#posts;
	return map { $log->[$_]{good} ? () :
		"$posts[$_][0]: $log->[$_]{status}" } 0 .. $#posts;
}

my %ALSO = ('/api/twilio/voice' => '/twilio/voice',
	'/api/twilio/recording' => '/twilio/recording',
	'/api/twilio/sms' => '/twilio/sms');

# Once more, by the guide's older address or with its parameters in another
# order, which makes it no other webhook.
sub deliver_otherwise (@posts) {
	my $wire = Ringback::Wire->to($t);
	return grep { !/ 20[04]$/ } map {
		my ($path, $form) = @$_;
		$path = $ALSO{$path} // $path;
		my $body = join '&', reverse split /&/,
			Ringback::Test::encode($form);
		"$path: " . $wire->post($path, $body, 'X-Twilio-Signature' =>
			Ringback::Test::signature($t->base . $path, $form)
			)->{status};
	} @posts;
}

# --- what is there ---------------------------------------------------------

sub table ($table, $key, $columns) {
	return $t->dbh->selectall_hashref("select $key, " . join(', ', map {
		"$_\::text as $_" } grep { $_ ne $key } @$columns)
		. " from $table", $key);
}

sub journal () {
	my %events;
	my $rows = $t->dbh->selectall_arrayref('select sid, route, body,
		verified from webhook_events', { Slice => {} });
	for my $row (@$rows) {
		my %form = map { my ($name, $value) = map { tr/+/ /r
			=~ s/%(..)/chr hex $1/egr } split /=/, $_, 2;
			$name => $value // '' } split /&/, $row->{body};
		push @{ $events{ $row->{sid} } }, Ringback::Model::line(
			$row->{route}, \%form)
			. ($row->{verified} ? '' : ' unverified');
	}
	return { map { $_ => [ sort @{ $events{$_} } ] } keys %events };
}

# Rows that are missing, that are too many and that say something else.
sub differences ($what, $seen, $expected) {
	my (%all, @different) = map { $_ => 1 } keys %$seen, keys %$expected;
	my $text = sub ($row) {
		return 'no row' if !$row;
		return join "\n", @$row if ref $row eq 'ARRAY';
		return join ', ', map { "$_=" . ($row->{$_} // 'null') }
			sort keys %$row;
	};
	for my $sid (sort keys %all) {
		my ($is, $want) = map { $text->($_->{$sid}) } $seen, $expected;
		push @different, "$sid:\n  is $is\n  not $want"
			if $is ne $want;
	}
	my $count = @different;
	is $count, 0, "$what: all " . keys(%$expected)
		. ' are as the model says';
	diag "$what: $_" for splice @different, 0, 3;
	return $count;
}

# Who may be texted by whom, here and in the model, where it can be known.
sub decided () {
	my $seen = table(q{(select sender || ' ' || recipient as pair, case when
		opted_out_at > coalesce(opted_in_at, '-infinity') then 'out'
		else 'in' end as consent from opt_outs) o}, 'pair',
		[ 'consent' ]);
	my $expected = $model->consent;
	my @open = grep { !$expected->{$_}{consent} } keys %$expected;
	delete @$_{@open} for $seen, $expected;
	cmp_ok scalar @open, '<', keys(%$expected) / 10,
		@open . ' had a STOP and a START at once';
	$expected->{$_}{pair} = $_ for keys %$expected;
	return $seen, $expected;
}

# --- the test --------------------------------------------------------------

my @events = map { $_ % 2 ? voicemail() : outbound() } 1 .. $CALLS;
is scalar @events, 7 * $CALLS, 'seven events each';
push @events, map { ($_ % 4 ? sent_text() : received_text()) } 1 .. $TEXTS;
# Some are so late that everything else is over, all of their copies.
my (@early, @late);
push @{ rand() < 0.03 ? \@late : \@early }, ($_) x $COPIES for @events;
@early = shuffle @early;
@late = shuffle @late;
my @in_spool = splice @early, 0, @early / 20;
my @before = splice @early, 0, @early / 4;
my @meanwhile = splice @early, 0, @early / 8;
# Copies of a word about consent follow each other: which of them is the time
# at which it came, nobody says. Most are where one is stored before another
# that came earlier.
for my $word (map { wavering() } 1 .. $WAVERING) {
	my $part = any((\@in_spool, \@meanwhile) x 3, \@before, \@early,
		\@late);
	splice @$part, rand(@$part + 1), 0, ($word) x $COPIES;
	push @events, $word;
}
$model->tell(@$_) for @events;
my $posts = @before + @in_spool + @meanwhile + @early + @late;

subtest 'everything arrives, as on a bad day' => sub {
	my $start = time;
	is_deeply [ deliver(@before) ], [], 'some, out of order';
	crash_database($t);
	is_deeply [ deliver(@in_spool) ], [], 'some while the database is down';
	start_database($t);
	my $spooled = () = glob $t->dir . '/spool/new/*';
	is $spooled, @in_spool, 'which are in the spool';
	is_deeply [ deliver(@meanwhile) ], [], 'some before it is replayed';
	# No recording is to be worked on.
	my $pass = Ringback::Pass->start($t, {}, '--limit', 0);
	is_deeply [ deliver(@early) ], [], 'the others while it is';
	my ($status, $out) = $pass->end;
	is $status, 0, 'the pass ends well';
	my ($replayed) = $out =~ / (\d+) events replayed/;
	cmp_ok $replayed, '>=', $spooled, 'with all that was spooled';
	is_deeply [ deliver(@late) ], [], 'and what was very late';
	figure('shuffled webhooks taken in', sprintf('%.0f', $posts /
		(time - $start)), '>=', 500, unit => 'a second', timing => 1);
	# A worker may have waited a moment longer for the database.
	is +(Ringback::Pass->run($t, {}, '--limit', 0))[0], 0,
		'the next pass ends well';
	is_deeply [ deliver_otherwise((shuffle @events)[0 .. 299]) ], [],
		'some come once more, not quite the same';
};

subtest 'and it is as if it had come in order' => sub {
	my %expected = (twilio_calls => [ $model->calls, 'call_sid' ],
		twilio_recordings => [ $model->recordings, 'recording_sid' ],
		twilio_sms => [ $model->texts, 'message_sid' ]);
	my $different = differences('webhook_events', journal(),
		$model->events);
	for my $table (sort keys %expected) {
		my ($rows, $key) = @{ $expected{$table} };
		my @columns = keys %{ (values %$rows)[0] };
		my $seen = table($table, $key, \@columns);
		my %want = map { $_ => { %{ $rows->{$_} }, $key => $_ } }
			keys %$rows;
		$different += differences($table, $seen, \%want);
	}
	$different += differences('opt_outs', decided());
	figure("rows that differ from the model after $posts posts",
		$different, '==', 0);
};

$t->done;
