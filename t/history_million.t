# SPDX-License-Identifier: ISC
# History where there is a lot of it: a page costs the same on page 1 and on
# page 8,000, of a number with half a million calls and of one with ten.
# What is asserted is what PostgreSQL touched for the very statement that the
# worker ran, as auto_explain writes it into its log; the milliseconds are told
# and decide nothing.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Ringback::Million qw(million %number);
use Ringback::Plans qw(explain explain_no_more plans touched);
use Ringback::Test;
use Time::HiRes qw(time);

# A row that is returned costs at most a page of the table, and a page holds 51
# of them (one tells that there are more). An index of a million rows is three
# pages deep, may go on in the next leaf, and a number has two.
my $MOST = 51 + 2 * (3 + 1) + 1;
my $CALLS = $ENV{RINGBACK_QUICK} ? 50_000 : 1_000_000;

my $t = Ringback::Test->new(workers => 1);
my %key = (admin => $t->key(name => 'office'),
	map { $_ => $t->key(user => "user-$_") } qw(busy small quiet), 7);

# --- a million calls -------------------------------------------------------

subtest 'a million calls' => sub {
	my $start = time;
	is million($t, $CALLS), 4, 'the indexes of calls';
	diag sprintf '%d calls made in %.0f s', $CALLS, time - $start;
	my $count = sub ($number) {
		return $t->sql(<<~'SQL', $number, $number);
			SELECT count(*) FROM twilio_calls
			 WHERE from_number = ? OR to_number = ?
			SQL
	};
	is $t->sql('SELECT count(*) FROM twilio_calls'), $CALLS, 'calls';
	is $count->($number{busy}), $CALLS / 2, 'half of them on one number';
	is $count->($number{small}), 10, 'ten on another';
	is $count->($number{quiet}), $CALLS / 50, 'some that are old';
	explain($t, 'ringback-api');
};

# --- pages -----------------------------------------------------------------

my $table = '';

# An answer, as JSON, and the plan of the statement that made it.
sub planned ($who, $path) {
	my $answer;
	my @plans = grep { $_->{'Query Text'} =~ /FROM twilio_calls/ }
		plans($t, sub { $answer = $t->api(GET => $path, $key{$who}) });
	is $answer->status, 200, "$who: $path" or diag $answer;
	is scalar @plans, 1, '… by one statement';
	return ($answer->json, $plans[0] // {});
}

sub page ($who, $query) {
	return planned($who, "/api/twilio/calls?$query");
}

sub cheap ($name, $who, $query) {
	my ($json, $plan) = page($who, $query);
	my $pages = touched($plan);
	cmp_ok $pages, '<=', $MOST, "… that touched $pages buffers";
	$table .= sprintf "%-46s %6d %9.2f\n", $name, $pages,
		$plan->{'Actual Total Time'} // -1;
	return $json;
}

# The SIDs of a number, or of a user, from the newest that is behind $skip.
sub expected ($where, $value, $skip, $limit = 50) {
	return [ map { $_->[0] } @{ $t->dbh->selectall_arrayref(
		"SELECT call_sid FROM twilio_calls WHERE ($where)"
		. ' ORDER BY created_at DESC, id DESC OFFSET ? LIMIT ?', undef,
		($value) x ($where =~ tr/?//), $skip, $limit) } ];
}

sub sids ($json) { return [ map { $_->{sid} } @{ $json->{calls} } ] }

my $SIDES = 'from_number = ? OR to_number = ?';

# The cursor of a place deep down, as the API itself gives it.
sub cursor ($who, $query, $where, $value, $depth) {
	my $time = $t->sql("SELECT to_char((created_at + interval '1 microsecond')"
		. q{ AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.USZ')}
		. " FROM twilio_calls WHERE ($where) ORDER BY created_at DESC,"
		. ' id DESC OFFSET ? LIMIT 1', ($value) x ($where =~ tr/?//),
		$depth - 1);
	my $json = $t->api(GET => "/api/twilio/calls?$query&limit=1&until="
		. $time, $key{$who})->json;
	return $json->{next} // '';
}

subtest 'a number with half a million calls, and one with ten' => sub {
	for my $which (qw(busy small quiet)) {
		my $number = $number{$which};
		my $json = cheap("$which number, page 1", 'admin',
			"phoneNumber=$number");
		is_deeply sids($json), expected($SIDES, $number, 0),
			'… and are the newest';
	}
	my $deep = int $CALLS * 0.4;
	my $cursor = cursor('admin', "phoneNumber=$number{busy}", $SIDES,
		$number{busy}, $deep);
	my $json = cheap("busy number, behind $deep rows", 'admin',
		"phoneNumber=$number{busy}&cursor=$cursor");
	is_deeply sids($json), expected($SIDES, $number{busy}, $deep),
		'… and are the rows that follow there';
	$cursor = cursor('admin', "phoneNumber=$number{small}", $SIDES,
		$number{small}, 5);
	$json = cheap('small number, behind 5 rows', 'admin',
		"phoneNumber=$number{small}&cursor=$cursor");
	is_deeply sids($json), expected($SIDES, $number{small}, 5),
		'… the other five';
	cheap('busy number, a month of it', 'admin',
		"phoneNumber=$number{busy}&since=2025-09-03&until=2025-09-10");
	cheap('a number that never called', 'admin',
		'phoneNumber=+15005550099');
};

subtest "everybody's calls" => sub {
	my $json = cheap('all calls, page 1', 'admin', '');
	is_deeply sids($json), expected('true', 0, 0), '… the newest';
	my $deep = int $CALLS * 0.8;
	my $cursor = cursor('admin', '', 'true', 0, $deep);
	$json = cheap("all calls, behind $deep rows", 'admin',
		"cursor=$cursor");
	is_deeply sids($json), expected('true', 0, $deep), '… from there on';
};

subtest "a user's own, however long ago it was" => sub {
	for my $who (qw(busy small quiet 7)) {
		my $json = cheap("user $who, page 1", $who, '');
		is_deeply sids($json), expected('user_id = ?', "user-$who", 0),
			'… the newest';
	}
	my $deep = int $CALLS * 0.4;
	my $cursor = cursor('busy', '', 'user_id = ?', 'user-busy', $deep);
	my $json = cheap("user busy, behind $deep rows", 'busy',
		"cursor=$cursor");
	is_deeply sids($json), expected('user_id = ?', 'user-busy', $deep),
		'… from there on';
	cheap('user busy, own number', 'busy', "phoneNumber=$number{busy}");
	cheap('administrator, userId=user-quiet', 'admin', 'userId=user-quiet');
};

subtest 'words that were said' => sub {
	for my $query ('q=zebra', "q=zebra&phoneNumber=$number{busy}") {
		my ($json, $plan) = page('admin', $query);
		is scalar @{ $json->{calls} }, 3, '… found the three';
		# Three rows here, three there, and the words' index.
		cmp_ok touched($plan), '<=', 2 * $MOST, '… without a search';
		$table .= sprintf "%-46s %6d %9.2f\n", $query, touched($plan),
			$plan->{'Actual Total Time'};
	}
	my ($json, $plan) = page('small', 'q=zebra');
	is_deeply $json->{calls}, [], "… and none of another user's";
	($json, $plan) = page('admin', 'q=cake');
	is scalar @{ $json->{calls} }, 50, '… a page of what is in all of them';
	# By time until there are 51, asking at each for its transcript.
	cmp_ok touched($plan), '<=', 51 * 50 * 4,
		'… without reading more than that took';
	$table .= sprintf "%-46s %6d %9.2f\n", 'q=cake', touched($plan),
		$plan->{'Actual Total Time'};
};

subtest 'whoever asks how it is every few seconds' => sub {
	my ($json, $plan) = planned('admin', '/readyz');
	is $json->{recordingsDue}, 0, 'nothing is due';
	# Four counts of what is open, whatever is done.
	cmp_ok touched($plan), '<=', 20, '… reads nothing of what is done';
	$table .= sprintf "%-46s %6d %9.2f\n", '/readyz', touched($plan),
		$plan->{'Actual Total Time'};
};

diag sprintf "%-46s %6s %9s\n%s", 'page of 50', 'buffers', 'ms', $table;
explain_no_more($t, 'ringback-api');
$t->done;
