# SPDX-License-Identifier: ISC
# Bench::Part::History: what a page of fifty calls touches where there are a
# million, or with T_LONG=1 ten; --quick: a hundred thousand.
package Bench::Part::History;
use v5.36;

use List::Util qw(min);

use Ringback::Figure qw(long);
use Ringback::Million qw(million %number);
use Ringback::Plans qw(explain explain_no_more plans touched);

sub run ($s) {
	my $t = $s->t;
	my $key = $t->key(name => 'bench');
	for my $calls ($s->quick ? 100_000 : 1_000_000,
		long() ? 10_000_000 : ()) {
		$s->clear;
		million($t, $calls);
		explain($t, 'ringback-api');
		_pages($s, $key, $calls);
		explain_no_more($t, 'ringback-api');
	}
	return;
}

sub _pages ($s, $key, $calls) {
	my $group = 'history, ' . ($calls =~ s/(?<=\d)(?=(?:\d{3})+$)/,/gr)
		. ' calls';
	my %has = (busy => $calls / 2, quiet => $calls / 50, small => 10);
	for my $which (qw(busy quiet small)) {
		my $query = "phoneNumber=$number{$which}";
		_page($s, $key, $query, $group, "$has{$which} of a number, "
			. 'page 1');
		next if $which eq 'small';
		my $page = min(10_000, int $has{$which} / 50);
		my $cursor = _cursor($s->t, $key, $query, $number{$which},
			50 * ($page - 1));
		_page($s, $key, "$query&cursor=$cursor", $group,
			"$has{$which} of a number, page $page");
	}
	return;
}

sub _page ($s, $key, $query, $group, $what) {
	my $json;
	my ($plan) = grep { $_->{'Query Text'} =~ /FROM twilio_calls/ }
		plans($s->t, sub { $json = $s->t->api(GET =>
		"/api/twilio/calls?$query", $key)->json });
	die "history: no page for $query" if !$plan || !@{ $json->{calls} };
	$s->report->row($group, $what, touched($plan), '<=', 30, 'buffers');
	$s->report->sample('ms of history', $what, 1,
		$plan->{'Actual Total Time'});
	return;
}

# Where the page behind so many rows begins, as the API itself tells it.
sub _cursor ($t, $key, $query, $number, $rows) {
	my $until = $t->sql(q{SELECT to_char(created_at + interval
		'1 microsecond', 'YYYY-MM-DD"T"HH24:MI:SS.USZ') FROM
		twilio_calls WHERE from_number = $1 OR to_number = $1
		ORDER BY created_at DESC, id DESC OFFSET $2 LIMIT 1}, $number,
		$rows - 1);
	return $t->api(GET => "/api/twilio/calls?$query&limit=1&until=$until",
		$key)->json->{next};
}

1;
