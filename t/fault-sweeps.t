# SPDX-License-Identifier: ISC
# Sixteen sweeps at once over a backlog of thousands of recordings, with
# services that answer at once: nobody gets in another's way, nothing is done
# twice, and the backlog is gone soon.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use List::Util qw(sum0);
use Ringback::Figure qw(figure long);
use Ringback::Instant;
use Ringback::Pass;
use Ringback::Test;
use Time::HiRes qw(time);

my $backlog = long() ? 50_000 : 10_000;
my $sweeps = 16;
my $instant = Ringback::Instant->new;
my $t = Ringback::Test->new(workers => 1, env => { $instant->env });
my (@sids, $asked);

# Of these recordings, how often each was asked for beyond once.
sub again ($step) {
	return sum0 map { ($asked->{$step}{$_} // 0) - 1 } grep {
		($asked->{$step}{$_} // 0) > 1 } @sids;
}

subtest 'the backlog of a long outage is worked off by all at once' => sub {
	@sids = $instant->due($t, $backlog);
	is scalar @sids, $backlog, "$backlog recordings are due";
	my $start = time;
	my @passes = map { Ringback::Pass->start($t) } 1 .. $sweeps;
	my ($done, @bad) = (0);
	for my $pass (@passes) {
		my ($status, $out, $err) = $pass->end;
		push @bad, "$status: $out$err" if $status != 0 || $err ne '';
		$done += $out =~ /: (\d+) done/ ? $1 : 0;
	}
	my $seconds = time - $start;
	is_deeply \@bad, [], 'all end well';
	is $done, $backlog, 'and between them did all of it';
	figure("recordings a second, $sweeps sweeps",
		sprintf('%.0f', $backlog / $seconds), '>=', 500, timing => 1);
};

subtest 'nobody but them has done anything twice' => sub {
	$asked = $instant->asked;
	is scalar keys %{ $asked->{$_} }, $backlog, "$_: each recording"
		for qw(media transcribe analyse);
	figure('double claims', again('media'), '==', 0);
	figure('paid for twice', again('transcribe') + again('analyse'),
		'==', 0);
};

subtest 'each has the transcript and the analysis that are its own' => sub {
	is $t->sql(q{select count(*) from transcriptions}), $backlog,
		'one transcript each';
	is $t->sql(q{select count(*) from twilio_recordings r join
		transcriptions t using (recording_sid) join twilio_calls c
		on c.call_sid = r.call_sid where r.recording_sid = any(?) and
		r.step = 'done' and r.attempts = 1 and r.lease is null and
		r.transcription_id = t.id and c.transcription_id = t.id and
		t.transcription = 'This is ' || r.recording_sid || '.' and
		t.analysis->>'summary' = 'A call about ' || r.recording_sid
		|| '.'}, \@sids), $backlog, 'of what it is a recording of';
	is_deeply $t->dbh->selectall_arrayref(q{select step, count(*),
		count(distinct recording_sid), count(finished_at) from
		api_calls group by step order by step}),
		[ map { [ $_, ($backlog) x 3 ] } qw(analyse transcribe) ],
		'and the ledger has each bill once';
};

$t->done;
