# SPDX-License-Identifier: ISC
# Memory runs out, at each place where a webhook or a pass of the sweep asks
# for some. A program may give up, and another takes its place; it may not
# crash, nor forget what it said it had kept.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Ringback::Figure qw(figure seed long);
use Ringback::Outside qw(speech);
use Ringback::Pass;
use Ringback::Test;
use Ringback::Trouble qw(crash_database start_database post_many);
use Ringback::Worker;

my $built = $ENV{RINGBACK_BINDIR} // "$Ringback::Test::ROOT/.build/default";
my $preload = "$built/t/inject/malloc.so";
plan skip_all => 'the sanitizers have an allocator of their own'
	if Ringback::Test::slurp("$built/ringback-worker") =~ /__asan_init/;
plan skip_all => "$preload is not there; t/run builds it" if !-e $preload;

seed();
my $outside = Ringback::Outside->new;
my $t = Ringback::Test->new(workers => 1, fakes => $outside->fakes);
my $journal = $t->dir . '/run/refused';

# --- what happened ---------------------------------------------------------

my (%ends, %asked, @crashes, @odd, @kept, @again);
my $points = 0;

# How a program is told what to refuse; the journal of it starts anew.
sub refuse (%how) {
	open my $fh, '>', $journal or die "$journal: $!";
	chmod 0666, $journal;
	return { LD_PRELOAD => $preload, REFUSE_LOG => $journal,
		map { ("REFUSE$_" => $how{$_}) } keys %how };
}

# [number, module] of what has been refused since refuse().
sub refused () {
	return map { /^refused (\d+) (\S+)/ ? [ $1, $2 ] : () }
		split /\n/, Ringback::Test::slurp($journal);
}

# SIGABRT is how we and libfcgi give up.
sub ended ($where, $how) {
	$ends{$how}++;
	my ($in) = Ringback::Test::slurp($journal) =~ /^crashed \d+ (\S+)/m;
	return if !$in && $how !~ /^signal (?!6$|15$)/;
	my $text = "$where: $how in " . ($in // '?');
	($in // '') =~ /^lib/ ? note "not ours: $text" : push @crashes, $text;
	return;
}

sub no_crashes ($what, $goal) {
	figure("$what: points at which memory ran out", $points, '>=',
		long() ? 4 * $goal : $goal);
	figure("$what: crashes in our code", scalar @crashes, '==', 0);
	diag $_ for splice @crashes;
	is_deeply [ splice @odd ], [], 'nothing else that should not be';
	note "$_: $ends{$_} times" for sort keys %ends;
	note "refused to $_: $asked{$_} times" for sort keys %asked;
	$points = 0;
	%ends = %asked = ();
	return;
}

# --- one request -----------------------------------------------------------

# Webhooks, each with another allocation refused, until one gets by without:
# to one worker while it lives, or to one of its own each; to its first
# request, or when it is warm. $form makes a webhook; before is done each
# time; but names a library whose allocations are left alone.
sub walk ($what, $path, $form, %o) {
	my ($at, $step, $worker) = ($o{at} // 1, $o{step} // 1);
	my $where = $what;
	my $bury = sub {
		my $how = ($worker // return)->stop // 'no end';
		ended($where, $how);
		push @odd, "$where: $how" if $how !~ /^(?:exit 0|signal \d+)$/;
		undef $worker;
	};
	for (1 .. 1_000) {
		if (!$worker) {
			$worker = Ringback::Worker->start($t, refuse(
				_SINCE => 'accept', '' => $at, _STEP => $step,
				_SPARE => !$o{first}, _BUT => $o{but} // ''));
			$worker->post('/api/twilio/voice', { $t->call })
				if !$o{first};
		}
		$o{before}->() if $o{before};
		my %event = $form->();
		my $before = () = refused();
		my $status = $worker->post($path, \%event);
		my ($new) = splice @{ [ refused() ] }, $before;
		my ($n, $module) = $new ? @$new : ($at);
		$where = "$what, allocation $n";
		push @{ $status =~ /^2/ ? \@kept : \@again },
			[ $path, \%event ];
		push @odd, "$where: $status" if $status !~ /^(?:0|2..|5..)$/;
		if ($new) {
			$points++;
			$asked{$module}++;
			$at = $n + $step;
		} elsif ($status) {
			push @odd, "$where: $status, and nothing was refused"
				if $status !~ /^2/;
			$bury->();
			return note "$what: $at allocations";
		}
		$bury->() if !$status || $o{each};
	}
	$bury->();
	return push @odd, "$what: no end of it";
}

# Has a picture, and wants no more texts.
sub picture () {
	return $t->text(Body => 'STOP', NumMedia => 2, map {
		("MediaUrl$_" => "https://api.twilio.com/$_",
		"MediaContentType$_" => 'image/png') } 0, 1);
}
sub callback () {
	my $sid = Ringback::Test::sid('SM');
	return (MessageSid => $sid, MessageStatus => 'undelivered',
		AccountSid => $Ringback::Test::ACCOUNT, ErrorCode => 30003,
		From => $Ringback::Test::NUMBER, To => $Ringback::Test::CALLER);
}

# Its connection is gone, and not just about to go; it needs another.
sub disconnect () {
	my @backends = $t->dbh->selectcol_arrayref(q{select pid,
		pg_terminate_backend(pid) from pg_stat_activity
		where application_name = 'ringback-hooks'})->@*;
	$t->wait_for('the end of connections', sub {
		!grep { -e "/proc/$_" } @backends });
	return;
}

my $each = long() ? 1 : 4;
sub sampled (%o) {
	return (%o, step => $each, at => 1 + int rand $each);
}

subtest 'a webhook whose worker runs out of memory' => sub {
	walk('a text', '/api/twilio/sms', \&picture);
	walk('the first text', '/api/twilio/sms', \&picture, sampled(
		first => 1, each => 1, but => 'libcrypto.so.3'));
	walk('a text after a break', '/api/twilio/sms', \&picture, sampled(
		each => 1, before => \&disconnect));
	crash_database($t);
	walk('a callback without a database', '/api/twilio/status',
		\&callback, sampled());
	start_database($t);
	no_crashes('webhook', 250);

	is_deeply [ grep { !/^20[04]$/ } post_many($t, \@again, 2) ], [],
		scalar(@again) . ' without an answer are sent again';
	is +(Ringback::Pass->run($t))[0], 0, 'what was spooled is replayed';
	my @sids = map { $_->[1]{MessageSid} } @kept, @again;
	my %count = map { @$_ } @{ $t->dbh->selectall_arrayref('select sid,
		count(*) from webhook_events where sid = any(?) group by sid',
		undef, \@sids) };
	figure('webhook: acknowledged but lost', scalar(grep { !$count{$_} }
		@sids), '==', 0);
	is_deeply [ grep { $_ > 1 } values %count ], [], 'none is there twice';
	cmp_ok scalar @kept, '>', 20, scalar(@kept) . ' were acknowledged';
};

# --- one pass of the sweep -------------------------------------------------

# Something to do for each pass: a recording, and a text in the spool.
my (@recordings, @texts, @spooled);

sub fill_spool ($count) {
	crash_database($t);
	@texts = map { { picture() } } 1 .. $count;
	post_many($t, [ map { [ '/api/twilio/sms', $_ ] } @texts ], 4);
	start_database($t);
	@spooled = glob $t->dir . '/spool/new/*';
	is scalar @spooled, $count, "$count texts are spooled";
	rename $_, s{/spool/new/}{/run/later-}r for @spooled;
	return;
}

sub walk_pass ($what, %o) {
	my ($at, $step) = @o{qw(at step)};
	while (@spooled) {
		my $file = pop @spooled;
		rename $file =~ s{/spool/new/}{/run/later-}r, $file;
		push @recordings, $outside->recording($t, speech(40));
		my ($status) = Ringback::Pass->run($t, refuse(_SINCE =>
			'connect', '' => $at, _BUT => $o{but} // ''));
		my ($new) = refused();
		my $where = "$what, allocation $at";
		ended($where, $status > 128 ? 'signal ' . ($status - 128)
			: "exit $status");
		push @odd, "$where: exit $status"
			if $status !~ /^(?:0|1|75|1[2-9].)$/;
		return note "$what: $at allocations" if !$new;
		$points++;
		$asked{ $new->[1] }++;
		$at += $step;
	}
	push @odd, "$what: no end of it";
	return;
}

subtest 'a sweep that runs out of memory' => sub {
	fill_spool(long() ? 2_200 : 160);
	my $step = long() ? 1 : 15;
	walk_pass('a pass', step => $step, at => 1 + int rand $step,
		but => 'libcrypto.so.3');
	walk_pass('a pass with its cryptography', step => 10 * $step,
		at => 1 + int rand 10 * $step);
	no_crashes('sweep', 100);

	rename s{/spool/new/}{/run/later-}r, $_ for @spooled;
	for (1 .. 3) {
		$t->dbh->do(q{update twilio_recordings set run_at = now()
			where step in ('download', 'analyse')});
		Ringback::Pass->run($t);
	}
	my $count = sub ($sql, @sids) { return $t->sql("select count(*) from
		$sql = any(?)", \@sids) };
	is $count->('transcriptions where recording_sid', @recordings),
		scalar @recordings, 'every recording has one transcript';
	is $count->(q{twilio_recordings where step = 'done' and recording_sid},
		@recordings), scalar @recordings, 'and is done';
	is $count->('webhook_events where sid', map { $_->{MessageSid} }
		@texts), scalar @texts, 'every text is there once';
	figure('sweep: acknowledged but lost', @texts + @recordings -
		$count->('twilio_sms where message_sid', map {
		$_->{MessageSid} } @texts) - $count->(
		'transcriptions where recording_sid', @recordings), '==', 0);
};

$t->done;
