# SPDX-License-Identifier: ISC
# Workers are killed, one every 20 ms, while webhooks come in: nobody at the
# other end notices, nothing is lost and nothing is doubled.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Ringback::Figure qw(figure seed long);
use Ringback::Ledger;
use Ringback::Load qw(callers percentile);
use Ringback::Test;
use Ringback::Trouble qw(workers catch_up);
use Time::HiRes qw(sleep);

seed();
my $t = Ringback::Test->new(workers => 4);

subtest 'a worker is killed every 20 ms' => sub {
	my @posts = callers($t, long() ? 50_000 : 5_000);
	my ($kills, $goal) = (0, long() ? 2500 : 250);
	# Slow enough for the kills, should the machine be very fast; and not
	# all killing, should it be very slow.
	my $load = Ringback::Load->start($t, \@posts, rate => 2500);
	while ($load->running && $kills < 4 * $goal) {
		my @workers = workers($t);
		$kills += kill 'KILL', $workers[rand @workers] if @workers;
		sleep 0.02;
	}
	my $log = $load->end;
	figure('webhooks', scalar @$log, '>=', 20_000);
	figure('workers killed', $kills, '>=', $goal);
	my $hit = () = $t->log('access') =~ /worker=502, /g;
	ok $hit >= 25, "$hit of them with a request in hand";
	is scalar(grep { !$_->{good} } @$log), 0, 'all hear what they should';
	ok defined catch_up($t), 'the sweep has taken in what was kept';
	Ringback::Ledger->new($t, \@posts, $log)->figures;
	figure('99 % answered in', sprintf('%.0f', percentile(99,
		map { $_->{ms} } @$log)), '<', 500, unit => 'ms',
		timing => 1);
	ok $t->wait_for('new workers', sub { 4 == workers($t) }),
		'there are as many workers as before';
};

$t->done;
