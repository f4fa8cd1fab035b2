# SPDX-License-Identifier: ISC
# A worker and a sweep whose clock is a day ahead or behind or leaps meanwhile,
# in another time zone or language, without a home or a place for temporary
# files: what they leave is the same. Leases go by the database's clock alone,
# and deadlines by one that nobody sets.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Mojo::Date;
use Mojo::JSON qw(decode_json to_json);
use POSIX ();
use Ringback::Clock;
use Ringback::Figure qw(figure);
use Ringback::Outside qw(speech);
use Ringback::Pass;
use Ringback::Test;
use Ringback::Trouble qw(crash_database start_database freeze_database
	thaw_database kill_pool);
use Ringback::Worker;
use Time::HiRes qw(sleep time);

my $LEASE = 8;	# seconds
my $DAY   = 86_400;

my $outside = Ringback::Outside->new;
my $t = Ringback::Test->new(fakes => $outside->fakes, workers => 1,
	env => { LEASE_SECONDS => $LEASE });
my $us = $Ringback::Test::NUMBER;
my $spool = $t->dir . '/spool/new';

# --- odd surroundings ------------------------------------------------------

sub wrong_clock ($seconds) {
	return Ringback::Clock->there && Ringback::Clock->new($t, $seconds)
		->env;
}

# A comma in numbers, and an I whose small letter is no i.
sub turkish () {
	my $dir = $t->dir . '/run/locale';
	mkdir $dir or die "$dir: $!";
	my ($status) = Ringback::Test::run_command(qw(localedef -i tr_TR -f
		UTF-8), "$dir/tr_TR.UTF-8");
	return if $status != 0;
	my %env = (LOCPATH => $dir, LC_ALL => 'tr_TR.UTF-8');
	my (undef, $comma) = Ringback::Test::run_command('env', (map {
		"$_=$env{$_}" } keys %env), 'locale', 'decimal_point');
	# Some library asks for a locale of its own, and the C library leaks the
	# path that it then looks along.
	return $comma eq ",\n" && { %env, ASAN_OPTIONS => 'detect_leaks=0' };
}

my %AWAY = ('a day ahead' => $DAY, 'a day behind' => -$DAY);
my @ODD = (
	[ 'as usual', { LANG => 'C', HOME => $t->dir, TMPDIR => '/tmp' } ],
	(map { [ $_, scalar wrong_clock($AWAY{$_}) ] } sort keys %AWAY),
	[ 'where midnight is at 11:15 UTC, or an hour earlier', {
		TZ => '<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45',
		PGTZ => 'Asia/Kathmandu', PGDATESTYLE => 'SQL, DMY' } ],
	[ 'in Turkish', scalar turkish() ],
	[ 'without a home, and nowhere for temporary files',
		{ TMPDIR => '/nonexistent/tmp' } ],
);

# --- the same day for each -------------------------------------------------

# What is told of while the database is there, and while it is not; and by
# which names to call what is in it.
sub day ($n) {
	my ($them, $other) = map { sprintf '+150055570%02d', $_ } 2 * $n,
		2 * $n + 1;
	my %call = $t->call(From => $them, Caller => $them);
	my %recording = $t->recording($call{CallSid});
	my @texts = map { { $t->text(From => $them, Body => $_) } }
		'Is it Istanbul?', 'START';
	my %stop = $t->text(From => $other, Body => 'quit');
	my %sent = $t->text(From => $us, To => $them, MessageStatus =>
		'delivered', SmsStatus => 'delivered');
	$outside->media($recording{RecordingSid}, speech(60));
	my %name = ($call{CallSid} => 'CALL', $recording{RecordingSid} =>
		'RECORDING', substr($them, 1) => 'THEM', substr($other, 1) =>
		'OTHER', $texts[0]{MessageSid} => 'TEXT', $texts[1]{MessageSid}
		=> 'START', $stop{MessageSid} => 'STOP', $sent{MessageSid} =>
		'SENT');
	return { name => \%name, there => [ [ '/api/twilio/voice', \%call ],
		[ '/api/twilio/status', { %call, SequenceNumber => 1,
		CallStatus => 'in-progress' } ],
		[ '/api/twilio/recording-status', \%recording ],
		map { [ '/api/twilio/sms', $_ ] } @texts ],
		away => [ [ '/api/twilio/status', { %call, SequenceNumber => 2,
		CallStatus => 'completed', CallDuration => 7 } ],
		[ '/api/twilio/sms', \%stop ],
		[ '/api/twilio/status', \%sent ] ] };
}

my %TABLE = (webhook_events => 'sid', twilio_calls => 'call_sid',
	twilio_recordings => 'recording_sid', twilio_sms => 'message_sid',
	transcriptions => 'recording_sid', opt_outs => 'recipient');

# What that day has left in the tables, row by row; and which times in them are
# not within this hour, but how many hours from now.
sub left ($day) {
	my %name = %{ $day->{name} };
	my (@rows, @off);
	my $now = time;
	for my $table (sort keys %TABLE) {
		my $sid = $TABLE{$table};
		my $body = $table eq 'webhook_events'
			? "convert_from(body, 'UTF8')" : 'null';
		my $all = $t->dbh->selectcol_arrayref("select (to_jsonb(x) ||
			jsonb_build_object('raw', $body))::text from $table x
			where $sid = any(?)", undef,
			[ keys %name, map { "+$_" } keys %name ]);
		for my $json (@$all) {
			$json =~ s/$_/$name{$_}/g for keys %name;
			$json =~ s/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}
				/ID/gx;
			my %row = %{ decode_json($json) };
			for (grep { /_at$/ && $row{$_} } keys %row) {
				next if $_ eq 'started_at';	# Twilio's word
				my $at = Mojo::Date->new($row{$_})->epoch;
				my $hours = sprintf '%.0f', ($at - $now) / 3600;
				push @off, "$table $row{$sid} $_ $hours"
					if $hours != 0;
				$row{$_} = 'a time';
			}
			delete @row{ $row{dedupe} ? qw(id dedupe body)
				: 'sweep' };	# which no two share
			push @rows, join ' ', $table, map { $_ . '='
				. to_json($row{$_}) } sort keys %row;
		}
	}
	return ([ sort @rows ], [ sort @off ]);
}

my @days = map { { what => $ODD[$_][0], env => $ODD[$_][1], %{ day($_) } } }
	grep { $ODD[$_][1] } 0 .. $#ODD;

subtest 'workers take in the same' => sub {
	my @answers;
	for my $i (0 .. $#days) {
		my $day = $days[$i];
		$day->{worker} = Ringback::Worker->start($t,
			{ name => "lone-$i", %{ $day->{env} } });
		push @answers, map { $day->{worker}->post(@$_) }
			@{ $day->{there} };
	}
	crash_database($t);
	for my $day (@days) {
		push @answers, map { $day->{worker}->post(@$_) }
			@{ $day->{away} };
		# For its own sweep.
		for my $file (glob "$spool/*") {
			my $later = $file =~ s{/spool/new/}{/run/later-}r;
			rename $file, $later or die "$later: $!";
			push @{ $day->{spooled} }, [ $later, $file ];
		}
	}
	start_database($t);
	is $_->{worker}->stop, 'exit 0', "$_->{what}: ends as it should"
		for @days;
	figure('odd clocks and places: webhooks not kept', scalar(grep {
		!/^20[04]$/ } @answers), '==', 0);
};

subtest 'sweeps do the same with it' => sub {
	for my $day (@days) {
		rename $_->[0], $_->[1] or die "$_->[1]: $!"
			for @{ $day->{spooled} };
		# The oldest recording: its own.
		my ($status, $out, $err) = Ringback::Pass->run($t, $day->{env},
			'--limit', 1);
		is $status, 0, "$day->{what}: the pass ends well" or diag $err;
		like $out, qr/: 1 done, .* 3 events replayed/,
			"$day->{what}: has done what there was to do";
	}
};

my %left = map { $_->{what} => [ left($_) ] } @days;

for my $one (@ODD) {
	my ($what) = @$one;
	next if $what eq 'as usual';
	subtest "what is left of it, $what" => sub {
		plan skip_all => 'no such thing here' if !$left{$what};
		my ($rows, $off) = @{ $left{$what} };
		my ($usual) = @{ $left{'as usual'} };
		cmp_ok scalar @$usual, '>', 15, 'there is much of it';
		my %count;
		$count{$_}++ for @$usual;
		$count{$_}-- for @$rows;
		my @differ = grep { $count{$_} } sort keys %count;
		figure("$what: rows that differ", scalar @differ, '==', 0);
		diag $_ for @differ;
		# No database was there to ask for the time; but nothing has
		# come in the future.
		my $hours = ($AWAY{$what} // 0) / 3600;
		is_deeply $off, $hours < 0 ? [ map { "$_ $hours" }
			'opt_outs +OTHER opted_out_at',
			'twilio_sms SENT created_at',
			'twilio_sms SENT updated_at',
			'twilio_sms STOP created_at',
			'twilio_sms STOP updated_at',
			'webhook_events CALL received_at',
			'webhook_events SENT received_at',
			'webhook_events STOP received_at' ] : [],
			'times are right, but of what went to the spool by a '
			. 'clock that is behind';
	};
}

# --- leases and deadlines --------------------------------------------------

sub recording_row ($sid) {
	return $t->row('select *, extract(epoch from until - now()) as left,
		extract(epoch from run_at - now()) as due_in
		from twilio_recordings r left join sweeps s on s.id = r.sweep
		where recording_sid = ?', $sid);
}

subtest 'nobody takes from a sweep what it holds' => sub {
	plan skip_all => 'no libfaketime here' unless Ringback::Clock->there;
	my $sid = $outside->recording($t, speech(61));
	my $before = $t->fake('openai')->requests;
	$outside->next(openai => { hold => 'a while' });
	my $clock = Ringback::Clock->new($t);
	my $pass = Ringback::Pass->start($t, $clock->env);
	$t->wait_for('it to be asked', sub {
		$t->fake('openai')->requests > $before });
	my ($taken, $longest, $shortest) = (0, 0, $LEASE);
	for my $seconds ($DAY, -$DAY) {
		$clock->set($seconds);
		my $row = recording_row($sid);
		$t->wait_for('a heartbeat', sub { recording_row($sid)->{until}
			ne $row->{until} }) if $seconds < 0;
		for my $day (grep { $AWAY{ $_->{what} } } @days) {
			my (undef, $out) = Ringback::Pass->run($t, $day->{env});
			$taken += $out !~ /: 0 done, .* 0 later/;
		}
		my $after = recording_row($sid);
		$taken += $after->{lease} ne $row->{lease};
		$longest = $after->{left} if $after->{left} > $longest;
		$shortest = $after->{left} if $after->{left} < $shortest;
	}
	figure('clocks a day off: recordings taken from a sweep at work',
		$taken, '==', 0);
	figure('its clock leaps: longest lease', sprintf('%.1f', $longest),
		'<=', $LEASE, unit => 's');
	figure('its clock leaps: shortest lease', sprintf('%.1f', $shortest),
		'>=', 0, unit => 's', timing => 1);
	$outside->release('a while');
	like +($pass->end)[1], qr/: 1 done/, 'who had it has done it';
	figure('its clock leaps: times a transcription was paid for',
		$t->fake('openai')->requests - $before, '==', 1);
};

subtest 'a date to come back at is not taken to be days away' => sub {
	plan skip_all => 'no libfaketime here' unless Ringback::Clock->there;
	my $sid = $outside->recording($t, speech(62));
	$outside->next(openai => { status => 503, headers => { 'Retry-After' =>
		Mojo::Date->new(time + 60)->to_string } });
	Ringback::Pass->run($t, wrong_clock(-$DAY));
	my $row = recording_row($sid);
	is "$row->{status} $row->{attempts}", 'pending 0', 'an outage';
	figure('a clock a day behind: an answer promised in 60 s is asked for '
		. 'within', sprintf('%.0f', $row->{due_in}), '<=', 900,
		unit => 's');
	$t->dbh->do('delete from twilio_recordings where recording_sid = ?',
		undef, $sid);
};

subtest 'nobody waits a day for a database that hangs' => sub {
	plan skip_all => 'no libfaketime here' unless Ringback::Clock->there;
	my $clock = Ringback::Clock->new($t);
	my $worker = Ringback::Worker->start($t, $clock->env);
	my @texts = map { { $t->text } } 1 .. 2;
	my $post = sub ($text) { $worker->post('/api/twilio/sms', $text) };
	my $source = sub ($text) { $t->sql('select source from webhook_events
		where sid = ?', $text->{MessageSid}) // 'none' };
	is $post->($texts[0]), 200, 'a text';
	is $source->($texts[0]), 'http', 'which is stored';
	freeze_database($t);
	my $child = fork // die "fork: $!";
	if (!$child) {
		sleep 0.5;
		eval { $clock->set(-$DAY) };
		POSIX::_exit($@ eq '' ? 0 : 1);
	}
	is $post->($texts[1]), 200, 'a text, while it is set back a day';
	waitpid $child, 0;
	is $?, 0, 'which it was';
	thaw_database($t);
	my $direct = sub ($name) {
		ok $t->wait_for($name, sub {
			my %text = $t->text;
			push @texts, \%text;
			return $post->(\%text) == 200
				&& $source->(\%text) eq 'http';
		}), $name;
	};
	$direct->('the database is asked again');
	$clock->set($DAY);
	$direct->('and when it is set two days ahead');
	is $worker->stop, 'exit 0', 'it ends as it should';
	is +(Ringback::Pass->run($t))[0], 0, 'the next pass ends well';
	figure('a leap while the database hangs: texts not stored once',
		scalar(grep { $t->sql('select count(*) from webhook_events
		where sid = ?', $_->{MessageSid}) != 1 } @texts), '==', 0);
};

subtest 'what nginx kept before the clock was set back' => sub {
	kill_pool($t);
	my %text = $t->text;
	is $t->post_signed('/api/twilio/sms', \%text)->status, 200, 'a text';
	my ($file) = $t->wait_for('nginx to keep it', sub {
		(glob $t->dir . '/fallback/*')[0] });
	utime((time + $DAY) x 2, $file) == 1 or die "$file: $!";
	like +(Ringback::Pass->run($t))[1], qr/ 1 events replayed/,
		'is taken in all the same';
};

$t->done;
