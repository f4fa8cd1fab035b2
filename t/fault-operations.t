# SPDX-License-Identifier: ISC
# What an administrator does on a working day, while 200 webhooks a second
# come in: nginx is reloaded, workers are exchanged, the tables' definitions
# are run again. Nobody at the other end notices.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use List::Util qw(max);
use Ringback::Figure qw(figure seed long);
use Ringback::Ledger qw(unnoticed);
use Ringback::Test;
use Ringback::Trouble qw(workers);
use Time::HiRes qw(sleep);

seed();
my $t = Ringback::Test->new(workers => 4);

subtest 'nginx is reloaded, as after a new certificate' => sub {
	my ($times, %served) = long() ? 100 : 20;
	my $head = Ringback::Test::slurp($t->dir . '/run/nginx.pid') + 0;
	# Connections of their own, as Twilio's are: nginx may close one that
	# is kept at the very moment at which something is sent on it.
	unnoticed($t, 'reloads', sub {
		for (1 .. $times) {
			kill 'HUP', $head;
			sleep 0.2 + rand 0.1;
			$served{$_}++ for Ringback::Trouble::children($head);
		}
	}, fresh => 1);
	figure('reloads: workers of nginx', scalar keys %served, '>=', $times);
};

subtest 'workers are exchanged one by one, as for an update' => sub {
	my $rounds = long() ? 50 : 5;
	# Busy ones: else most would be told between two requests.
	$t->dbh->do(q{create function dawdle() returns trigger language plpgsql
		as 'begin perform pg_sleep(0.02); return new; end'});
	$t->dbh->do('create trigger dawdle before insert on webhook_events
		for each row execute function dawdle()');
	my $exchanged = 0;
	unnoticed($t, 'exchanges', sub {
		for (1 .. $rounds) {
			for my $old (workers($t)) {
				kill 'TERM', $old;
				$t->wait_for('its end', sub {
					!kill 0, $old }, 10);
				$exchanged++;
			}
		}
	});
	$t->dbh->do('drop function dawdle cascade');
	figure('exchanges: workers', $exchanged, '>=', 4 * $rounds);
};

subtest 'the definitions of the tables are run again' => sub {
	my $schema = "$Ringback::Test::ROOT/schema";
	my $times = long() ? 30 : 4;
	my ($done, $most, @failures) = (0, 2 * $times);
	my @log = unnoticed($t, 'schema', sub {
		while ($done < $times && $most--) {
			my $failed = 0;
			for my $file (qw(create_transcriptions_table
				create_twilio_tables)) {
				my ($status, undef, $err) =
					Ringback::Test::run_command(qw(psql -X
					-q -v ON_ERROR_STOP=1 -f),
					"$schema/$file.sql",
					$t->{database_url});
				$failed ||= $status;
				push @failures, $err if $status;
			}
			$done++ if !$failed;
		}
	});
	diag "failed: $_" for @failures;
	figure('schema: times run', $done, '>=', $times);
	figure('schema: the longest answer', sprintf('%.2f', max(map {
		$_->{ms} / 1000 } @log)), '<', 1, unit => 's', timing => 1);
};

$t->done;
