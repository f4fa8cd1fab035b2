# SPDX-License-Identifier: ISC
# Ringback::Plans: what PostgreSQL touched for the very statements that the
# programs ran, as auto_explain writes it into its log.
#
#	explain($t, 'ringback-api');	# from now on, by its workers
#	my @plans = plans($t, sub { $t->api(GET => '/api/twilio/calls', $key) });
#	say touched($plans[0]), ' buffers for ', $plans[0]{'Query Text'};
#	explain_no_more($t);
package Ringback::Plans;
use v5.36;

use DBI;
use Exporter qw(import);
use List::Util qw(sum0);
use Mojo::JSON qw(decode_json);

use Ringback::Test;

our @EXPORT_OK = qw(explain explain_no_more plans touched as_superuser
	reconnect);

# The database's settings are its superuser's to change.
sub as_superuser ($t, @sql) {
	my ($host) = $t->{database_url} =~ /host=([^&]+)/;
	my $dbh = DBI->connect("dbi:Pg:dbname=ringback;host=$host;"
		. 'user=postgres', '', '', { RaiseError => 1 });
	$dbh->do($_) for @sql;
	$dbh->disconnect;
	return;
}

# The workers' connections are new ones from now on.
sub reconnect ($t, @programs) {
	as_superuser($t, map { q{SELECT pg_terminate_backend(pid, 10000)
		FROM pg_stat_activity WHERE application_name = '} . "$_'" }
		@programs);
	return;
}

sub explain ($t, @programs) {
	$t->{plans_from} = length $t->log('postgres');
	as_superuser($t, map { "ALTER DATABASE ringback SET $_" }
		"session_preload_libraries = 'auto_explain'",
		'auto_explain.log_analyze = on', 'auto_explain.log_buffers = on',
		"auto_explain.log_format = 'json'",
		'auto_explain.log_min_duration = 0');
	reconnect($t, @programs);
	return;
}

# What the log has of plans goes, too: there are values in them.
sub explain_no_more ($t, @programs) {
	as_superuser($t, 'ALTER DATABASE ringback RESET ALL');
	reconnect($t, @programs);
	truncate $t->dir . '/log/postgres.log', $t->{plans_from}
		or die "postgres.log: $!";
	return;
}

# Of all that was run meanwhile, in that order; of each its top node, and with
# it its text.
sub plans ($t, $do) {
	my $before = length $t->log('postgres');
	$do->();
	return map { { %{ $_->{Plan} }, 'Query Text' => $_->{'Query Text'} } }
		map { decode_json($_) } substr($t->log('postgres'), $before) =~
		/plan:\n((?:\t.*\n)+)/g;
}

# A node counts what those below it touched. Not so where a WITH changes rows
# that nobody selects from: that is done when all else is over.
sub touched ($plan) {
	my (%with, %selected);
	my $look; $look = sub ($node) {
		$with{$1} = $node if ($node->{'Subplan Name'} // '')
			=~ /^CTE (.*)/;
		$selected{ $node->{'CTE Name'} } = 1 if $node->{'CTE Name'};
		$look->($_) for @{ $node->{Plans} // [] };
	};
	$look->($plan);
	return sum0 map { $_ // 0 } map { @$_{'Shared Hit Blocks',
		'Shared Read Blocks', 'Temp Read Blocks'} } $plan,
		map { $with{$_} } grep { !$selected{$_} } keys %with;
}

1;
