# SPDX-License-Identifier: ISC
# Two PostgreSQL servers, one following the other: the first dies, the second
# takes its place. Webhooks are soon stored there, and with synchronous
# replication all that was acknowledged is there.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Ringback::Cluster;
use Ringback::Figure qw(figure seed);
use Ringback::Ledger qw(unnoticed);
use Ringback::Test;
use Time::HiRes qw(sleep time);

seed();

# Two servers, the second in step with the first, and ringback on them.
sub pair () {
	my $first = Ringback::Cluster->new('first');
	my $second = $first->standby('second');
	my $t = Ringback::Test->new(workers => 4, env => { DATABASE_URL =>
		'postgresql://ringback@/ringback?host=' . $first->socket . ','
		. $second->socket . '&target_session_attrs=read-write' });
	$first->sql("alter system set $_") for
		q{synchronous_standby_names = 'second'},
		q{synchronous_commit = 'remote_apply'};
	$first->sql('select pg_reload_conf()');
	$t->wait_for('a second in step', sub { $first->sql(q{select 1 from
		pg_stat_replication where sync_state = 'sync'}) });
	return $t, $first, $second;
}

# The seconds from the trouble until a webhook is stored directly, by the
# second, since nothing was there any more to store it.
sub resumed ($t, $trouble, $gone) {
	return sprintf '%.2f', ($t->sql(q{select extract(epoch from
		min(received_at)) from webhook_events where source = 'http'
		and received_at > to_timestamp(?)}, $gone) // $trouble + 999)
		- $trouble;
}

subtest 'the first dies' => sub {
	my ($t, $first, $second) = pair();
	my ($died, $gone);
	unnoticed($t, 'it dies', sub {
		sleep 1;
		$died = time;
		$first->crash;
		$gone = time;
		$second->promote;
		sleep 2;
	});
	is $second->sql('select pg_is_in_recovery()::int'), 0,
		'the second is the first now';
	figure('it dies: webhooks are stored again after', resumed($t, $died,
		$gone), '<=', 5, unit => 's', timing => 1);
	$_->remove for $first, $second;
	$t->done;
};

subtest 'the first hangs' => sub {
	my ($t, $first, $second) = pair();
	my ($hung, $gone);
	unnoticed($t, 'it hangs', sub {
		sleep 1;
		$hung = time;
		$first->freeze;
		sleep 0.05;
		$gone = time;
		$second->promote;
		sleep 5;
		$first->crash;
	});
	figure('it hangs: webhooks are stored again after', resumed($t, $hung,
		$gone), '<=', 5, unit => 's', timing => 1);
	$_->remove for $first, $second;
	$t->done;
};

subtest 'the second is away when the first dies' => sub {
	my ($t, $first, $second) = pair();
	# The first must not acknowledge what the second has not heard of.
	unnoticed($t, 'both', sub {
		$second->crash;
		sleep 4;
		$first->crash;
		$second->start;
		$second->promote;
		sleep 2;
	});
	cmp_ok $t->sql(q{select count(*) from webhook_events where source =
		'spool'}), '>=', 100, 'they were spooled meanwhile';
	$_->remove for $first, $second;
	$t->done;
};

done_testing;
