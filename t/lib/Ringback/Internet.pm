# SPDX-License-Identifier: ISC
# Ringback::Internet: an internet in which every address there is answers, for
# a command to reach outward in; and what it said to whom. It takes a network
# and a mount namespace, so it is for root only.
#
#	plan skip_all => $why if my $why = no_namespaces();
#	my $net = Ringback::Internet->new(dir => $dir,
#		names => { 'api.twilio.com' => '52.95.110.1' });
#	$net->answers({ "https://api.twilio.com/x" => 'https://evil.example/' });
#	my ($status, $out, $err) = $net->run($stdin, @command);
#	my @said = $net->ledger;
#
# Each entry of the ledger is a connection: to (address:port), and as far as it
# got: host, path, authorization. Servers on 443 and 8443 have certificates for
# all the names and their addresses, from an authority that the command trusts;
# they answer 302 to the Location that answers() gives for a path, else 403.
#
# certificate() and with_file() are for tests that need no more than that.
package Ringback::Internet;
use v5.36;

use Exporter qw(import);
use IO::Select;
use IO::Socket::IP;
use IO::Socket::SSL;
use Mojo::JSON qw(decode_json encode_json);
use POSIX ();

use Ringback::Test;

our @EXPORT_OK = qw(no_namespaces certificate with_file);

my @tls = (443, 8443);
my @other = (21, 22, 25, 53, 80, 110, 143, 389, 2375, 3306, 5432, 6379, 8000,
	8080, 9200, 10250, 11211, 27017);

sub no_namespaces () {
	return if $> == 0
		&& system('unshare -n -m true 2>/dev/null') == 0;
	return 'no network and mount namespaces here';
}

# Before a command: it sees that file in the place of this machine's.
sub with_file ($dir, $path, $text) {
	my $file = _spew($dir . '/' . $path =~ s{.*/}{}r, $text);
	chmod 0644, $file;
	return (qw(unshare -m sh -ec),
		'mount --bind "$1" "$2"; shift 2; exec "$@"', 'sh', $file,
		$path);
}

# A certificate and its key, in dir, of the authority dir/ca.pem. names: as
# openssl has them; days: for how long.
sub certificate ($dir, $name, %o) {
	my ($cert, $key) = map { "$dir/$name.$_" } qw(pem key);
	my ($status, $out, $err) = Ringback::Test::run_command('sh', '-ec',
		<<'SH', 'sh', $dir, $name, $o{names} // 'IP:127.0.0.1',
		cd "$1"
		new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
		[ -e ca.pem ] || openssl req -x509 $new -keyout ca.key \
		    -out ca.pem -days 1 -subj "/CN=test CA"
		openssl req $new -keyout "$2.key" -out "$2.csr" -subj "/CN=$2"
		echo "subjectAltName=$3" >"$2.ext"
		openssl x509 -req -in "$2.csr" -CA ca.pem -CAkey ca.key \
		    -CAcreateserial -days "$4" -extfile "$2.ext" -out "$2.pem"
SH
		$o{days} // 1);
	die "openssl: $err" if $status != 0;
	return [ $cert, $key ];
}

sub _spew ($file, $text) {
	open my $fh, '>', $file or die "$file: $!";
	print {$fh} $text;
	close $fh or die "$file: $!";
	return $file;
}

sub new ($class, %o) {
	my $self = bless {%o}, $class;
	my @names = map { "DNS:$_" } keys %{ $o{names} };
	my @addresses = map { "IP:$_" } map { ref ? @$_ : $_ }
		values %{ $o{names} };
	certificate($o{dir}, 'everybody', names => join ',', @names,
		@addresses);
	$self->answers({});
	return $self;
}

# Host and path, with the scheme before them, to a Location.
sub answers ($self, $locations) {
	_spew("$self->{dir}/answers", encode_json($locations));
	return;
}

sub ledger ($self) {
	return map { decode_json($_) } split /\n/,
		Ringback::Test::slurp("$self->{dir}/ledger");
}

sub run ($self, $stdin, @command) {
	my $dir = $self->{dir};
	unlink "$dir/ledger";
	_spew("$dir/stdin", $stdin);
	my $hosts = join '', map { my $name = $_; my $a = $self->{names}{$_};
		map { "$_ $name\n" } ref $a ? @$a : $a }
		keys %{ $self->{names} };
	return Ringback::Test::run_command(qw(unshare -n),
		with_file($dir, '/etc/hosts', "127.0.0.1 localhost\n$hosts"),
		with_file($dir, '/etc/nsswitch.conf', "hosts: files\n"),
		with_file($dir, '/etc/ssl/certs/ca-certificates.crt',
		Ringback::Test::slurp("$dir/ca.pem")), $^X,
		"-I$Ringback::Test::ROOT/t/lib", '-MRingback::Internet', '-e',
		'Ringback::Internet::inside(@ARGV)', $dir, @command);
}

# --- within ---------------------------------------------------------------

sub inside ($dir, @command) {
	system(qw(ip link set lo up)) == 0 or die 'ip link';
	# Whatever the address, it is this machine.
	system(qw(ip route add local 0.0.0.0/0 dev lo)) == 0 or die 'ip route';
	system('ip -6 route add local ::/0 dev lo 2>/dev/null');
	my @listen = map { _listen($_, '0.0.0.0'), _listen($_, '::') }
		@tls, @other;
	my $parent = $$;
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		_serve($dir, $parent, @listen);
		POSIX::_exit(0);
	}
	close $_ for @listen;
	open STDIN, '<', "$dir/stdin" or die "$dir/stdin: $!";
	my $status = system @command;
	kill 'TERM', $pid;
	waitpid $pid, 0;
	exit($status >> 8 || ($status ? 1 : 0));
}

sub _listen ($port, $address) {
	return IO::Socket::IP->new(LocalHost => $address, LocalPort => $port,
		Listen => 64, ReuseAddr => 1, V6Only => 1) // ();
}

sub _serve ($dir, $parent, @listen) {
	my $answers = decode_json(Ringback::Test::slurp("$dir/answers"));
	my $select = IO::Select->new(@listen);
	my $stop;
	local $SIG{TERM} = sub { $stop = 1 };
	local $SIG{PIPE} = 'IGNORE';
	open my $ledger, '>>', "$dir/ledger" or die "$dir/ledger: $!";
	$ledger->autoflush(1);
	while (!$stop && getppid == $parent) {
		for my $listening ($select->can_read(0.2)) {
			my $s = $listening->accept or next;
			my %entry = (to => $s->sockhost . ':' . $s->sockport);
			local $SIG{ALRM} = sub { die "late\n" };
			alarm 3;
			eval { _converse($dir, $s, $answers, \%entry) };
			alarm 0;
			print {$ledger} encode_json(\%entry), "\n";
			close $s;
		}
	}
	return;
}

sub _converse ($dir, $s, $answers, $entry) {
	my $port = $s->sockport;
	my $tls = grep { $_ == $port } @tls;
	if ($tls) {
		IO::Socket::SSL->start_SSL($s, SSL_server => 1, SSL_reuse_ctx
			=> state $ctx = IO::Socket::SSL::SSL_Context->new(
			SSL_server => 1, SSL_cert_file => "$dir/everybody.pem",
			SSL_key_file => "$dir/everybody.key")) or return;
	}
	my $in = '';
	while ($in !~ /\r\n\r\n/) {
		sysread $s, $in, 4096, length $in or last;
	}
	@$entry{qw(path host authorization)} = ($in =~ /\A\w+ (\S+)/,
		map { $in =~ /^$_: *(.*?)\r$/mi ? $1 : undef }
		qw(Host Authorization));
	$entry->{said} = substr $in, 0, 200;
	my $location = $answers->{"$entry->{host}$entry->{path}"};
	syswrite $s, defined $location
		? "HTTP/1.1 302 Found\r\nLocation: $location\r\n"
		. "Content-Length: 0\r\nConnection: close\r\n\r\n"
		: "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n"
		. "Connection: close\r\n\r\n";
	close $s if $tls;
	return;
}

1;
