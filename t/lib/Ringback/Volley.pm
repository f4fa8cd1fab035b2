# SPDX-License-Identifier: ISC
# Ringback::Volley: many requests, byte by byte as they are given, from some
# clients at once; and what each was answered.
#
#	my @statuses = volley($t, \@requests);
#	my @types = volley($t, \@requests, sub ($answer) {
#		return $answer->{header}{'content-type'} });
#
# A request is bytes; or a list of them, for one that has a connection of its
# own; or a reference to them, for one that is the last of its connection, and
# whose client has nothing more to say (it ends its side). Unlike a
# Ringback::Load these clients try again where a kept connection turns out to
# be closed, so what they send may arrive twice.
#
# stored(), rows() and servers() are for before and after: nothing is kept,
# nothing has changed, nobody has died.
package Ringback::Volley;
use v5.36;

use Exporter qw(import);
use File::Temp qw(tempdir);
use POSIX ();
use Storable qw(retrieve store);
use Test::More;

use Ringback::Test;
use Ringback::Trouble qw(children pool workers);
use Ringback::Wire;

our @EXPORT_OK = qw(volley signed_post stored rows servers);

my $CLIENTS = 4;

sub volley ($t, $requests, $look = sub ($answer) { $answer->{status} }) {
	my $dir = tempdir(CLEANUP => 1);
	my @pids;
	for my $n (0 .. $CLIENTS - 1) {
		my $pid = fork // die "fork: $!";
		push @pids, $pid and next if $pid;
		my $ok = eval {
			store(_client($t, $n, $requests, $look), "$dir/$n");
		} or print STDERR $@;
		POSIX::_exit($ok ? 0 : 1);
	}
	my @seen;
	for my $n (0 .. $CLIENTS - 1) {
		waitpid $pids[$n], 0;
		die "client $n ended with $?" if $? != 0;
		my $list = retrieve("$dir/$n");
		@seen[map { $n + $CLIENTS * $_ } 0 .. $#$list] = @$list;
	}
	return @seen;
}

# Requests n, n + clients …
sub _client ($t, $n, $requests, $look) {
	my $wire = Ringback::Wire->to($t, tls => Ringback::Wire->tls($t));
	my @seen;
	for (my $i = $n; $i < @$requests; $i += $CLIENTS) {
		my $request = $requests->[$i];
		$wire->close if ref $request;
		push @seen, $look->(ref $request eq 'SCALAR'
			? $wire->send($$request)->end->answer
			: $wire->exchange(ref $request ? @$request : $request));
		$wire->close if ref $request;
	}
	return \@seen;
}

# A form as Twilio would post it, or a body of bytes signed as that form.
sub signed_post ($t, $path, $form, %o) {
	return Ringback::Wire->to($t)->request(POST => $path, [ 'Content-Type'
		=> 'application/x-www-form-urlencoded', 'X-Twilio-Signature'
		=> Ringback::Test::signature($t->base . $path, $form,
		$o{token} // $Ringback::Test::TOKEN), @{ $o{headers} // [] } ],
		$o{body} // Ringback::Test::encode($form));
}

# All that requests may leave behind, in words that compare.
sub stored ($t) {
	return join ', ', (map { "$_ " . $t->sql("select count(*) from $_") }
		qw(twilio_calls twilio_sms twilio_recordings webhook_events
		api_requests api_calls opt_outs send_counters numbers)),
		map { my @files = glob $t->dir . "/$_"; "$_ " . @files }
		qw(spool/new/* spool/bad/* fallback/*);
}

# Every row of these tables (or of all), a line each, in an order that is
# always the same. A sequence may move on without a row.
sub rows ($t, @tables) {
	my %env = $t->env;
	my ($status, $out, $err) = Ringback::Test::run_command(
		'/usr/lib/postgresql/15/bin/pg_dump', '--data-only', '--inserts',
		'-d', $env{DATABASE_URL}, map { (-t => $_) } @tables);
	die "pg_dump: $err" if $status != 0;
	return join '', sort grep { /^INSERT/ } split /^/, $out;
}

# Who serves: both pools, their workers, nginx and its workers.
sub servers ($t) {
	my $nginx = Ringback::Test::slurp($t->dir . '/run/nginx.pid') + 0;
	return join ' ', $nginx, sort { $a <=> $b } children($nginx),
		map { pool($t, $_), workers($t, $_) } qw(hooks api);
}

1;
