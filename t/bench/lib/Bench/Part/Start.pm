# SPDX-License-Identifier: ISC
# Bench::Part::Start: from being started to the first answer; and a pass of
# the sweep when there is nothing to do, as in most minutes.
package Bench::Part::Start;
use v5.36;

use Ringback::Pass;
use Ringback::Worker;
use Time::HiRes qw(time);

sub run ($s) {
	my ($t, $r) = ($s->t, $s->report);
	$s->clear;
	my $url = $t->{database_url};
	my ($nothing, $psql);
	# A worker leaves, the next comes: with one of everything warm.
	for my $round (0 .. ($s->quick ? 10 : 30)) {
		my %text = $t->text;
		my $start = time;
		my $worker = Ringback::Worker->start($t);
		my $status = $worker->post('/api/twilio/sms', \%text);
		my $ms = 1000 * (time - $start);
		$worker->stop;
		die "worker: $status" if $status != 200;
		$start = time;
		($status) = Ringback::Pass->run($t);
		my $pass = 1000 * (time - $start);
		die "sweep: $status" if $status != 0;
		$nothing = _ms($t, 'true');
		$psql = _ms($t, 'psql', '-XAtq', '-d', $url, '-c', 'select 1');
		next if !$round;
		$r->sample('start', 'true', $round, $nothing);
		$r->sample('start', 'psql', $round, $psql);
		$r->sample('start', 'worker', $round, $ms);
		$r->sample('start', 'sweep', $round, $pass);
	}
	# What the means take by themselves: this process is large to fork.
	$nothing = $r->middle(qw(start true));
	$r->row('start', 'true, started by the same means', $nothing, '', '',
		'ms');
	$r->row('start', 'psql -c "select 1", less that', $r->middle(qw(start
		psql)) - $nothing, '', '', 'ms');
	$r->row('start', 'worker to first answer, less that',
		$r->middle(qw(start worker)) - $nothing, '<=', 30, 'ms');
	$r->row('start', 'sweep with nothing due, less that',
		$r->middle(qw(start sweep)) - $nothing, '<=', 15, 'ms');
	return;
}

sub _ms ($t, @command) {
	my $start = time;
	my ($status, undef, $err) = Ringback::Test::run_command(
		Ringback::Pass::as_postgres(), @command);
	die "@command: $status: $err" if $status != 0;
	return 1000 * (time - $start);
}

1;
