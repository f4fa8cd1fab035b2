# SPDX-License-Identifier: ISC
# PostgreSQL crashes and comes back, and crashes again; or it hangs and says
# nothing. Nobody at the other end notices; all that was said is stored once,
# soon after it is back.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Ringback::Figure qw(figure seed long);
use Ringback::Ledger;
use Ringback::Load qw(callers percentile);
use Ringback::Test;
use Ringback::Trouble qw(crash_database start_database freeze_database
	thaw_database catch_up);
use Time::HiRes qw(sleep time);

seed();
my $t = Ringback::Test->new(workers => 4);

sub ms ($log) { return map { $_->{ms} } @$log }

# Waits until so many have been answered.
sub wait_until ($load, $count) {
	sleep 0.01 while $load->running && $load->count < $count;
	return;
}

subtest 'the database crashes and is started again, under load' => sub {
	my @posts = callers($t, long() ? 25_000 : 2_500);
	my $crashes = long() ? 40 : 5;
	my $load = Ringback::Load->start($t, \@posts, rate => 700);
	my @meanwhile;
	for my $n (1 .. $crashes) {
		wait_until($load, @posts * ($n - 0.5) / ($crashes + 0.5));
		my $before = $load->count;
		crash_database($t);
		sleep rand 0.3;
		start_database($t);
		push @meanwhile, $load->count - $before;
	}
	my $took = catch_up($t);	# while the last webhooks come in
	my $log = $load->end;
	ok defined $took && defined catch_up($t),
		'the sweep has taken in what was kept';
	figure('webhooks', scalar @$log, '>=', 10_000);
	figure('crashes', $crashes, '>=', 5);
	my $ledger = Ringback::Ledger->new($t, \@posts, $log);
	$ledger->figures(of => 'crashes');
	is scalar(grep { $_ < 20 } @meanwhile), 0, 'webhooks come in meanwhile';
	is scalar(grep { !$_->{good} } @$log), 0, 'all hear what they should';
	cmp_ok $t->sql(q{select count(*) from webhook_events
		where source = 'spool'}), '>', 100, 'some by way of the spool';
	figure('crashes: rows missing after the last start',
		scalar $ledger->missing, '==', 0);
	figure('crashes: all rows there after the last start',
		sprintf('%.1f', $took // 99), '<=', 30, unit => 's',
		timing => 1);
	figure('crashes: 99 % answered in', sprintf('%.0f',
		percentile(99, ms($log))), '<', 500, unit => 'ms',
		timing => 1);
};

subtest 'the database hangs, under load' => sub {
	my $seconds = long() ? 60 : 5;
	my @posts = callers($t, 50 * ($seconds + 2));
	my $load = Ringback::Load->start($t, \@posts, rate => 200,
		clients => 16);
	wait_until($load, 200);
	my @held = (time);
	freeze_database($t);
	sleep $seconds;
	thaw_database($t);
	push @held, time;
	my $log = $load->end;
	ok defined catch_up($t), 'the sweep has taken in what was kept';
	my @during = grep { $_->{at} + $_->{ms} / 1000 > $held[0]
		&& $_->{at} < $held[1] } @$log;
	cmp_ok scalar @during, '>=', 50, 'webhooks come in all the while';
	is scalar(grep { !$_->{good} } @$log), 0, 'all hear what they should';
	Ringback::Ledger->new($t, \@posts, $log)->figures(of => 'hangs');
	figure('hangs: the longest answer', sprintf('%.2f',
		percentile(100, ms(\@during)) / 1000), '<', 4, unit => 's',
		timing => 1);
};

$t->done;
