# SPDX-License-Identifier: ISC
# Ringback::Trouble: what befalls the machine a test runs on: a database that
# crashes, hangs and comes back; workers that are killed; many webhooks at
# once.
package Ringback::Trouble;
use v5.36;

use Exporter qw(import);
use Mojo::IOLoop;
use Mojo::UserAgent;
use Time::HiRes qw(sleep time);

use Ringback::Pass;
use Ringback::Test;

our @EXPORT_OK = qw(crash_database stop_database start_database
	freeze_database thaw_database children workers pool kill_pool post_many
	no_strace traced catch_up forget_connections);

# As after a power cut.
sub crash_database ($t) { return _end_database($t, 'QUIT') }

# As before an update: it finishes nothing that is under way, but all is tidy.
sub stop_database ($t) { return _end_database($t, 'INT') }

sub _end_database ($t, $signal) {
	my $pid = Ringback::Test::slurp($t->dir . '/run/postgres.pid') + 0;
	kill $signal, $pid;
	for (1 .. 400) {
		return if !kill 0, $pid;
		sleep 0.05;
	}
	die 'postgres does not end';
}

# Back again, without the rest of quickstart's up.
sub start_database ($t) {
	my $pg = $t->dir . '/pg';
	my ($status, $out, $err) = Ringback::Test::run_command('sh', '-c',
		'exec "$@" >>"$0" 2>&1', $t->dir . '/log/postgres.log',
		Ringback::Pass::as_postgres(), 'env', 'RINGBACK_QUICKSTART='
		. $t->dir, '/usr/lib/postgresql/15/bin/pg_ctl', '-w', '-s',
		'-D', $pg, 'start');
	die "pg_ctl: $out$err" if $status != 0;
	my ($pid) = Ringback::Test::slurp("$pg/postmaster.pid") =~ /^(\d+)/;
	open my $fh, '>', $t->dir . '/run/postgres.pid' or die $!;
	print {$fh} "$pid\n";
	close $fh or die $!;
	return;
}

# It accepts connections and says nothing, as on a disk that hangs.
sub freeze_database ($t) { return kill 'STOP', database($t) }
sub thaw_database ($t)   { return kill 'CONT', database($t) }

sub database ($t) {
	my $head = Ringback::Test::slurp($t->dir . '/run/postgres.pid') + 0;
	return $head, children($head);
}

# nginx's next workers have no connection kept to any of ours.
sub forget_connections ($t) {
	my $head = Ringback::Test::slurp($t->dir . '/run/nginx.pid') + 0;
	my %old = map { $_ => 1 } children($head);
	kill 'HUP', $head;
	$t->wait_for('new workers of nginx', sub {
		!grep { $old{$_} } children($head) });
	return;
}

sub children ($parent) {
	my @pids;
	for my $path (glob '/proc/[0-9]*/stat') {
		my ($pid, $ppid) = Ringback::Test::slurp($path)
			=~ /^(\d+) \(.*\) \S (\d+)/s or next;
		push @pids, $pid if $ppid == $parent;
	}
	return @pids;
}

# The process that keeps a pool alive, and its workers.
sub pool ($t, $name = 'hooks') {
	return Ringback::Test::slurp($t->dir . "/run/worker-$name.pid") + 0;
}
sub workers ($t, $name = 'hooks') { return children(pool($t, $name)) }

# Nobody is left, nor anybody who would start somebody.
sub kill_pool ($t, $name = 'hooks') {
	my @pids = (pool($t, $name), workers($t, $name));
	kill 'KILL', @pids;
	$t->wait_for('the end of the pool', sub { !grep { kill 0, $_ } @pids });
	return;
}

# Some containers do not allow it.
sub no_strace {
	return state $no = (Ringback::Test::run_command(
		qw(strace -f -o /dev/null true)))[0];
}

# Runs something while strace looks at, or interferes with, the workers.
sub traced ($t, $do, @strace) {
	my @workers = workers($t);
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		open STDERR, '>', '/dev/null';
		exec 'strace', '-f', '-y', @strace, map { (-p => $_) } @workers
			or POSIX::_exit(127);
	}
	$t->wait_for('strace', sub {
		return @workers == grep { Ringback::Test::slurp(
			"/proc/$_/status") =~ /^TracerPid:\s+[1-9]/m } @workers;
	});
	$do->();
	kill 'INT', $pid;
	waitpid $pid, 0;
	return;
}

# Signed posts ([path, form], …), so many at a time, each on a connection of
# its own as Twilio's are. after is told of each answer how many there have
# been. Their statuses, in order.
sub post_many ($t, $posts, $width, $after = sub ($count) {}) {
	my $ua = Mojo::UserAgent->new(ca => $t->dir . '/tls/cert.pem',
		max_connections => 0, request_timeout => 30,
		inactivity_timeout => 30);
	my ($next, $running, $count, @statuses) = (0, 0, 0);
	my $post = sub ($again) {
		return Mojo::IOLoop->stop if $next == @$posts && !$running;
		return if $next == @$posts;
		my $i = $next++;
		my ($path, $form) = @{ $posts->[$i] };
		$t->note_secrets($form);
		$running++;
		$ua->post($t->base . $path => { 'Content-Type' =>
			'application/x-www-form-urlencoded',
			'X-Twilio-Signature' => Ringback::Test::signature(
			$t->base . $path, $form) }
			=> Ringback::Test::encode($form) => sub ($ua, $tx) {
			$statuses[$i] = $tx->res->code // 0;
			$running--;
			$after->(++$count);
			$again->($again);
		});
	};
	$post->($post) for 1 .. $width;
	Mojo::IOLoop->start;
	return @statuses;
}

# Passes of the sweep, as cron's but closer together, until nothing waits in
# the spool or where nginx keeps requests: nothing is due to be downloaded
# meanwhile. The seconds that took, or undef.
sub catch_up ($t, $seconds = 60) {
	my $begin = time;
	while (time < $begin + $seconds) {
		$t->sweep('--limit', 0);
		my @waiting = glob $t->dir . '/{spool/new,fallback}/*';
		return time - $begin if !@waiting;
		sleep 0.5;
	}
	return;
}

1;
