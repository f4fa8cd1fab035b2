# SPDX-License-Identifier: ISC
# Ringback::Worker: one worker for Twilio's webhooks, a child of the test
# itself and with no nginx before it, so that a test sees how it ends and what
# a single request does to it.
#
#	my $w = Ringback::Worker->start($t, { LD_PRELOAD => $so });
#	my $status = $w->post('/api/twilio/sms', \%text);	# 0: no answer
#	is $w->end, 'signal 6';		# waits; stop() ends it first
#
# Where there is one, nginx sends a request that got no answer to the next
# worker; here the test does.
package Ringback::Worker;
use v5.36;
use parent qw(Ringback::Child);

use IO::Select;
use IO::Socket::UNIX;
use POSIX ();
use Time::HiRes qw(sleep time);

use Ringback::Pass;
use Ringback::Test;

my $PATIENCE = 20;	# seconds for one answer

# Settings in the environment win over DIR/hooks.env. before: a command that runs
# it, such as strace; as: one that does so as its user. name: several at once
# each need one of their own. What it says goes to DIR/log/lone.log.
sub start ($class, $t, $env = {}) {
	my %env = %$env;
	my @before = @{ delete $env{before} // [] };
	my @as = (@{ delete $env{as} // [] }, Ringback::Pass::preloaded(\%env));
	my $path = $t->dir . '/run/' . (delete $env{name} // 'lone') . '.sock';
	unlink $path;
	my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 16)
		or die "$path: $!";
	my @user = Ringback::Pass::as_program('hooks');
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		%ENV = (PATH => $ENV{PATH}, LANG => 'C.UTF-8',
			GNUTLS_NO_IMPLICIT_INIT => 1, GLIBC_TUNABLES =>
			'glibc.malloc.tcache_max=512:'
			. 'glibc.malloc.tcache_count=16', %env,
			map { $_ => $ENV{$_} } grep { /SAN_OPTIONS$|^GCOV_/ }
			keys %ENV);
		POSIX::dup2(fileno $listener, 0) // POSIX::_exit(127);
		open STDOUT, '>>', $t->dir . '/log/lone.log';
		open STDERR, '>&', \*STDOUT;
		exec @before, @user, @as, Ringback::Pass::program($t,
			'worker'), '-f', $t->dir . '/hooks.env', 'hooks'
			or POSIX::_exit(127);
	}
	# When the worker is gone, so is who listens: nobody waits in vain.
	close $listener;
	return bless { t => $t, path => $path, pid => $pid, of => $$ }, $class;
}

sub pid ($self) { return $self->{pid} }

# Its status, or 0 if the worker ended, or never answered.
sub post ($self, $path, $form, %o) {
	my $t = $self->{t};
	$t->note_secrets($form);
	my $body = Ringback::Test::encode($form);
	my $s = IO::Socket::UNIX->new(Peer => $self->{path}) or return 0;
	local $SIG{PIPE} = 'IGNORE';
	print {$s} _request($body, REQUEST_METHOD => 'POST',
		REQUEST_URI => $path, CONTENT_TYPE =>
		'application/x-www-form-urlencoded', REMOTE_ADDR => '127.0.0.1',
		CONTENT_LENGTH => length $body, REQUEST_ID => 'lone',
		HTTP_X_TWILIO_SIGNATURE =>
		Ringback::Test::signature($t->base . $path, $form));
	$s->flush;
	my $out = _answer($s, time + ($o{patience} // $PATIENCE)) // return 0;
	return $out =~ /^Status: (\d+)/m ? $1 : 0;
}

# How it ended: 'exit N' or 'signal N'; undef if it has not within 5 s.
sub end ($self) {
	my $until = time + 5;
	while (!$self->{end} && time < $until) {
		if (waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid}) {
			$self->{end} = $? & 127 ? 'signal ' . ($? & 127)
				: 'exit ' . ($? >> 8);
		}
		sleep 0.001 unless $self->{end};
	}
	return $self->{end};
}

sub stop ($self, $signal = 'TERM') {
	kill $signal, $self->{pid} unless $self->{end};
	return $self->end;
}

sub DESTROY ($self) {
	return $self->{end} ? undef : $self->put_away('KILL');
}

# --- FastCGI ---------------------------------------------------------------

sub _record ($type, $content) {
	return pack('CCnnCx', 1, $type, 1, length $content, 0) . $content;
}

sub _length ($s) {
	my $n = length $s;
	return $n < 128 ? pack 'C', $n : pack 'N', $n | 1 << 31;
}

sub _request ($body, %params) {
	my $pairs = join '', map { _length($_) . _length($params{$_}) . $_
		. $params{$_} } sort keys %params;
	return _record(1, pack 'nCx5', 1, 0) . _record(4, $pairs)
		. _record(4, '') . ($body eq '' ? '' : _record(5, $body))
		. _record(5, '');
}

# All that it says, if it came to an end in time.
sub _answer ($s, $until) {
	my ($in, $out) = ('', '');
	my $select = IO::Select->new($s);
	while ((my $left = $until - time) > 0) {
		$select->can_read($left) or last;
		sysread $s, $in, 65536, length $in or last;
		while (length $in >= 8) {
			my ($type, $n, $pad) = unpack 'x1 C x2 n C', $in;
			last if length $in < 8 + $n + $pad;
			my $record = substr $in, 0, 8 + $n + $pad, '';
			return $out if $type == 3;
			$out .= substr $record, 8, $n if $type == 6;
		}
	}
	return;
}

1;
