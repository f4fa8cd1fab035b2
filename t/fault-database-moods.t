# SPDX-License-Identifier: ISC
# PostgreSQL is there and will not: it is restarted again and again, has no
# connection left, takes no writes, or a table is locked. Nobody at the other
# end notices; all that was said is stored once when the mood has passed.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use DBI;
use List::Util qw(max);
use Ringback::Figure qw(figure seed long);
use Ringback::Ledger qw(unnoticed);
use Ringback::Test;
use Ringback::Trouble qw(stop_database start_database);
use Time::HiRes qw(sleep time);

seed();
my $t = Ringback::Test->new(workers => 4);

sub login ($user) {
	my ($host) = $t->{database_url} =~ /host=([^&]+)/;
	return DBI->connect("dbi:Pg:dbname=ringback;host=$host;user=$user",
		'', '', { RaiseError => 0, PrintError => 0 });
}

# How many of these events came by way of the spool.
sub spooled ($since) {
	return $t->sql(q{select count(*) from webhook_events where source =
		'spool' and received_at >= to_timestamp(?)}, $since);
}

subtest 'restarted in good order, again and again' => sub {
	my $times = long() ? 20 : 3;
	my @back;
	unnoticed($t, 'restarts', sub {
		for (1 .. $times) {
			sleep 1.3;
			stop_database($t);
			start_database($t);
			push @back, time;
		}
		sleep 1;
	});
	# From each start until a webhook is stored directly.
	figure('restarts: rows come directly again after', sprintf('%.2f',
		max(map { $t->sql(q{select extract(epoch from min(received_at))
		from webhook_events where source = 'http' and received_at >
		to_timestamp(?)}, $_) - $_ } @back)), '<=', 1, unit => 's',
		timing => 1);
};

subtest 'no connection is left' => sub {
	my $admin = login('postgres');
	my @hogs;
	my $hog = sub {
		while (my $dbh = login('ringback')) {
			push @hogs, $dbh;
		}
	};
	$hog->();
	$admin->do(q{select pg_terminate_backend(pid) from pg_stat_activity
		where application_name = 'ringback-hooks'});
	$t->wait_for('the end of the workers connections', sub {
		!$admin->selectrow_array(q{select count(*) from
		pg_stat_activity where application_name = 'ringback-hooks'})
	});
	$hog->();
	like $DBI::errstr, qr/too many clients|slots are reserved/, 'none';
	my $since = time;
	unnoticed($t, 'no connection left', sub {
		sleep 2;
		$_->disconnect for @hogs;
		sleep 1;
	});
	cmp_ok spooled($since), '>=', 100, 'they were spooled';
	cmp_ok $t->sql(q{select count(*) from pg_stat_activity where
		application_name = 'ringback-hooks'}), '>=', 1,
		'and then connections were made again';
};

subtest 'a server that has become read-only' => sub {
	my $admin = login('postgres');
	my $set = sub ($value) {
		# Or it could never be set back.
		$admin->do('set default_transaction_read_only = off');
		$admin->do('alter system set default_transaction_read_only = '
			. $value) and $admin->do('select pg_reload_conf()')
			or die $admin->errstr;
	};
	my $since = time;
	unnoticed($t, 'read-only', sub {
		$set->('on');
		sleep 2;
		$set->('off');
		sleep 1;
	});
	cmp_ok spooled($since), '>=', 100, 'they were spooled';
	ok $t->sql(q{select count(*) from webhook_events where source = 'http'
		and received_at >= to_timestamp(?)}, $since + 3),
		'and then stored directly again';
};

subtest 'a table is locked' => sub {
	my $since = time;
	# No more at once than there are workers, so that nobody waits for
	# somebody else's turn.
	my @log = unnoticed($t, 'locked', sub {
		$t->dbh->begin_work;
		$t->dbh->do('lock table webhook_events in access exclusive
			mode');
		sleep 4;
		$t->dbh->rollback;
	}, clients => 4);
	cmp_ok spooled($since), '>=', 4, 'they were spooled';
	figure('locked: the longest answer', sprintf('%.2f', max(map {
		$_->{ms} / 1000 } @log)), '<=', 3, unit => 's', timing => 1);
};

$t->done;
