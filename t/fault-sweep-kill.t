# SPDX-License-Identifier: ISC
# A sweep is killed at a system call drawn from the whole of its pass,
# hundreds of times. The next pass finishes what it had begun: one transcript
# each, events stored once, and paid for again is exactly what was in flight.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use List::Util qw(shuffle);
use Ringback::Figure qw(figure seed long);
use Ringback::Instant;
use Ringback::Pass;
use Ringback::Test;
use Ringback::Trouble qw(crash_database start_database post_many);

my ($no_strace) = Ringback::Test::run_command(qw(strace -f --seccomp-bpf
	-o /dev/null true));
plan skip_all => 'strace does not work here' if $no_strace;

my $points = long() ? 2000 : 300;
my $lanes = 4;		# machines that sweep, each with a spool of its own
my $each = 2;		# recordings a pass takes
seed();
my $instant = Ringback::Instant->new;
my $t = Ringback::Test->new(env => { $instant->env });
my @spool = map { $t->dir . "/spool-$_" } 1 .. $lanes;

# --- events that wait in a spool ------------------------------------------

my (@waiting, %texts);	# files; MessageSid => 1

# As a worker leaves them while the database is away. The spools of the lanes
# are given them one at a time.
sub spool_events ($count) {
	my @posts = map { my %text = $t->text; [ '/api/twilio/sms', \%text ] }
		1 .. $count;
	crash_database($t);
	my @statuses = post_many($t, \@posts, 8);
	start_database($t);
	@texts{ map { $_->[1]{MessageSid} } @posts } = ();
	my $aside = $t->dir . '/aside';
	mkdir $aside or die "$aside: $!";
	for my $file (glob $t->dir . '/spool/new/*') {
		my ($name) = $file =~ m{([^/]+)\z};
		rename $file, "$aside/$name" or die "$file: $!";
		push @waiting, "$aside/$name";
	}
	return grep { $_ == 200 } @statuses;
}

sub give_event ($dir) {
	my $file = shift @waiting // return 0;
	my ($name) = $file =~ m{([^/]+)\z};
	rename $file, "$dir/new/$name" or die "$file: $!";
	return 1;
}

# --- passes ---------------------------------------------------------------

# LeakSanitizer is a tracer itself.
sub start_pass ($lane, @before) {
	return Ringback::Pass->start($t, { SPOOL_DIR => $spool[$lane],
		before => \@before, @before ? (ASAN_OPTIONS =>
		'detect_leaks=0') : () }, '--limit', $each);
}

# What reaches beyond the process. To be killed at any other call is to be
# killed at the next of these.
my $OUTWARD = qr/^(?:sendto|sendmsg|recvfrom|recvmsg|write|writev|read|poll
	|connect|socket|close|openat|unlink|unlinkat|rename|renameat|renameat2
	|fsync|fdatasync|flock|getdents64)$/x;

# [name, how many of that name before and with it], of every outward call that
# an undisturbed pass makes from its first look at the spool on; and of those
# before it, when it reads its settings and prepares its statements.
sub calls_of_a_pass () {
	my $trace = $t->dir . '/run/trace';
	$instant->due($t, $each);
	give_event($spool[0]);
	my ($status, $out) = start_pass(0, qw(strace -f --seccomp-bpf -o),
		$trace)->end;
	is $status, 0, 'a pass that nobody disturbs ends well';
	like $out, qr/: $each done.* 1 events replayed/, 'having done it all';
	my (%count, @early, @late, $ours);
	for (split /\n/, Ringback::Test::slurp($trace)) {
		my ($name) = /^\d+\s+(\w+)\(/ or next;
		$count{$name}++;
		$ours ||= $name eq 'openat' && m{run-here/sweep\.env"};
		next unless $ours && $name =~ $OUTWARD;
		push @{ @late || m{\Q$spool[0]\E} ? \@late : \@early },
			[ $name, $count{$name} ];
	}
	return \@early, \@late;
}

my ($early, $late, @deck);

# Each of the late ones in turn, in an order of chance, and then all of them
# again; one point in ten is before anything is done.
sub draw () {
	return @{ $early->[rand @$early] } if rand() < 0.1;
	@deck = shuffle(@$late) if !@deck;
	return @{ shift @deck };
}

# --- what happened --------------------------------------------------------

# The server may still be at what a dead sweep has sent it.
sub sweeps_are_gone () {
	return $t->wait_for('the last of their statements', sub {
		return !$t->sql(q{select count(*) from pg_stat_activity where
			application_name = 'ringback-sweep'});
	});
}

# A paid call is in flight from when the stand-in has all of the request until
# the commit of what came of it, which is when the recording's step changes:
# its own ledger row is closed in between.
sub in_flight (@sids) {
	my $asked = $instant->asked;
	my $step = $t->dbh->selectall_hashref('select recording_sid, step from
		twilio_recordings where recording_sid = any(?)',
		'recording_sid', undef, \@sids);
	return ((map { [ transcribe => $_ ] } grep { $step->{$_}{step} eq
		'download' && $asked->{transcribe}{$_} } @sids),
		(map { [ analyse => $_ ] } grep { $step->{$_}{step} eq
		'analyse' && $asked->{analyse}{$_} } @sids));
}

my ($kills, $spared, @sids, %killed_at) = (0, 0);
my %again = (transcribe => {}, analyse => {});	# {step}{sid}: in flight

# All lanes at once: a pass that is killed, then one that is not.
sub round () {
	my @due = $instant->due($t, $lanes * $each);
	push @sids, @due;
	my (@passes, @points, @bad);
	for my $lane (0 .. $lanes - 1) {
		give_event($spool[$lane]);
		my ($name, $n) = draw();
		push @points, $name;
		push @passes, start_pass($lane, qw(strace -f --seccomp-bpf
			-o /dev/null -e), "inject=$name:signal=KILL:when=$n");
	}
	for my $pass (@passes) {
		my $name = shift @points;
		my ($status, $out, $err) = $pass->end;
		if ($status == 137) {
			$kills++;
			$killed_at{$name}++;
		} elsif ($status == 0) {
			$spared++;	# it needed fewer calls this time
		} else {
			push @bad, "killed at $name: $status: $out$err";
		}
	}
	sweeps_are_gone();
	$again{ $_->[0] }{ $_->[1] }++ for in_flight(@due);
	# Stands for the end of the dead sweeps' leases.
	$t->dbh->do('update sweeps set until = now()');
	$t->dbh->do(q{update twilio_recordings set run_at = now() where
		recording_sid = any(?) and step in ('download', 'analyse')},
		undef, \@due);
	for my $pass (map { start_pass($_) } 0 .. $lanes - 1) {
		my ($status, $out, $err) = $pass->end;
		push @bad, "the next: $status: $out$err" if $status != 0;
	}
	return @bad;
}

subtest 'events wait in the spools' => sub {
	for my $dir (@spool) {
		mkdir $_ or die "$_: $!" for $dir, map { "$dir/$_" }
			qw(new tmp bad);
		chown +(stat $t->dir . '/spool')[4, 5], $dir,
			glob "$dir/*";
		chmod +(stat $t->dir . '/spool')[2] & 07777, $dir,
			glob "$dir/*";
	}
	my $count = $points + 5 * $lanes;
	is scalar spool_events($count), $count, "$count texts, answered";
	is scalar @waiting, $count, 'are spooled';
};

subtest 'where a pass can be killed' => sub {
	($early, $late) = calls_of_a_pass();
	note @$early + @$late, ' outward calls, ', scalar @$late,
		' of them after its beginnings';
	ok @$early > 10 && @$late > 50, 'in many places';
};

subtest "sweeps are killed at $points system calls" => sub {
	my @bad;
	for (1 .. 2 * $points / $lanes) {
		last if $kills >= $points;
		push @bad, round();
	}
	note join ', ', map { "$_ $killed_at{$_}" } sort keys %killed_at;
	note "$spared passes ended before their call came";
	figure('sweeps killed', $kills, '>=', $points);
	is_deeply \@bad, [], 'every pass after ends well';
};

subtest 'each recording has one transcript, its own' => sub {
	figure('recordings without their one transcript', @sids
		- $t->sql(q{select count(*) from twilio_recordings r join
		transcriptions t using (recording_sid) where r.step = 'done'
		and r.lease is null and r.transcription_id = t.id and
		r.recording_sid = any(?) and t.transcription = 'This is ' ||
		r.recording_sid || '.' and t.analysis->>'summary' =
		'A call about ' || r.recording_sid || '.'}, \@sids), '==', 0);
	is $t->sql('select count(*) from transcriptions where recording_sid =
		any(?)', \@sids), @sids, 'and no other';
};

subtest 'paid for again is what was in flight, and nothing else' => sub {
	my $asked = $instant->asked;
	my ($extra, $inside, @wrong) = (0, 0);
	for my $step (qw(transcribe analyse)) {
		for my $sid (@sids) {
			my $seen = $asked->{$step}{$sid} // 0;
			my $due = 1 + ($again{$step}{$sid} // 0);
			push @wrong, "$sid: $step: $seen, not $due"
				if $seen != $due;
			$extra += $seen - 1 if $seen > 1;
			$inside += $due - 1;
		}
	}
	figure('extra paid calls, to those cut off by a kill', $extra, '==',
		$inside);
	cmp_ok $inside, '>', $points / 10, 'many were';
	is_deeply \@wrong, [], 'of each recording as many as it takes';
};

subtest 'the ledger in the database knows of every paid call' => sub {
	my $asked = $instant->asked;
	my ($unknown, $untrue) = (0, 0);
	my $rows = $t->dbh->selectall_hashref('select step, recording_sid,
		count(*) as opened, count(finished_at) as closed from
		api_calls where recording_sid = any(?) group by 1, 2',
		[ qw(step recording_sid) ], undef, \@sids);
	for my $step (qw(transcribe analyse)) {
		for my $sid (@sids) {
			my $row = $rows->{$step}{$sid} //
				{ opened => 0, closed => 0 };
			my $seen = $asked->{$step}{$sid} // 0;
			$unknown++ if $row->{opened} < $seen;
			$untrue++ if $row->{closed} > $seen
				|| $row->{closed} < 1;
		}
	}
	figure('paid calls that the ledger does not know', $unknown, '==', 0);
	is $untrue, 0, 'and what it calls finished took place';
};

subtest 'each spooled event is stored once' => sub {
	my $given = keys(%texts) - @waiting;
	my $stored = $t->sql(q{select count(*) from webhook_events where
		route = '/api/twilio/sms' and sid = any(?)}, [ keys %texts ]);
	figure('spooled events lost or doubled', abs($given - $stored), '==',
		0);
	is $t->sql('select count(*) from twilio_sms where message_sid =
		any(?)', [ keys %texts ]), $given, 'and so is each text';
	is_deeply [ map { glob "$_/{new,tmp,bad}/*" } @spool ], [],
		'nothing is left in the spools';
};

$t->done;
