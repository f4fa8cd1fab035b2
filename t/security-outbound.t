# SPDX-License-Identifier: ISC
# Where the sweep may be led: nowhere but to Twilio by what a webhook says, to
# no private address by a redirection, and nowhere at all with credentials but
# to whom they are for; nor past a certificate that is not in order.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp qw(tempdir);
use IO::Socket::INET;
use List::Util qw(uniq);
use Ringback::Fake;
use Ringback::Figure qw(figure seed long);
use Ringback::Internet qw(no_namespaces certificate with_file);
use Ringback::Outside qw(speech);
use Ringback::Pass;
use Ringback::Test;
use Ringback::Trouble qw(no_strace);
use Ringback::Volley qw(volley signed_post);

seed();
my $outside = Ringback::Outside->new;
my $t = Ringback::Test->new(fakes => $outside->fakes);
my $probe = ($ENV{RINGBACK_BINDIR} // "$Ringback::Test::ROOT/.build/default")
	. '/t/unit/fetch_probe';
my $account = $Ringback::Test::ACCOUNT;
my $frames = 60;

sub pick { return $_[ rand @_ ] }

# --- addresses that lead inwards -------------------------------------------

# This machine, its neighbours, its provider's secrets.
my @private = qw(127.0.0.1 127.1.2.3 0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.254
	100.64.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.254
	192.0.0.192 192.168.0.1 192.168.1.254 198.18.0.1 224.0.0.1 240.0.0.1
	255.255.255.255);

# The ways in which a dotted address can be written.
sub spellings ($dotted) {
	my @b = split /\./, $dotted;
	my $number = unpack 'N', pack 'C4', @b;
	return ($dotted, "$dotted.", $number, sprintf('0x%08x', $number),
		sprintf('0%o', $number), sprintf('0x%x.0x%x.0x%x.0x%x', @b),
		sprintf('0%o.0%o.0%o.0%o', @b), sprintf('%d.%d', $b[0],
		$number & 0xffffff), "[::ffff:$dotted]", "[::$dotted]",
		sprintf('[::ffff:%x:%x]', $number >> 16, $number & 0xffff),
		sprintf('[64:ff9b::%x:%x]', $number >> 16, $number & 0xffff),
		sprintf('[2002:%x:%x::1]', $number >> 16, $number & 0xffff));
}

my @private6 = map { "[$_]" } qw(::1 :: fe80::1 fc00::1 fd00:ec2::254 ff02::1
	2001::1 2001:0:7f00:1::1 64:ff9b::1);
my %public = ('api.twilio.com' => '52.95.110.1', 'storage.example' =>
	'52.95.110.2', 'evil.example' => '52.95.110.3');
my %inward = ('lo.example' => '127.0.0.1', 'ten.example' => '10.0.0.5',
	'meta.example' => '169.254.169.254', 'six.example' => '::1',
	'mapped.example' => '::ffff:10.0.0.5', 'many.example' => [
	'10.0.0.5', '127.0.0.1', '192.168.0.1' ], 'localhost.evil.example' =>
	'10.0.0.6');

sub hostile_urls () {
	my @urls = map { "https://$_/latest/meta-data/" } (map { spellings($_) }
		@private), @private6, keys %inward, 'localhost', 'LOCALHOST',
		'localhost.', 'a.localhost', 'ip6-localhost', "127\x{2024}0.0.1",
		'evil.example@127.0.0.1', '127.0.0.1#@api.twilio.com',
		'127.0.0.1?@api.twilio.com', '127.0.0.1\\@api.twilio.com',
		'api.twilio.com:443@10.0.0.1', '%31%32%37.0.0.1', '127.0.0.1%00',
		'[::1]:443', '0', '127.1', '017700000001', "\xe2\x91\xa0",
		'xn--', '[::ffff:7f00:1%25lo]';
	push @urls, map { my $host = $_; map { "$_$host" } qw(http:// HTTP://
		ftp:// ftps:// gopher:// dict:// ldap:// ldaps:// imap:// pop3://
		smtp:// telnet:// tftp:// smb:// scp:// sftp:// rtsp:// mqtt://
		ws:// wss://) } 'evil.example/x', '127.0.0.1:6379/_INFO',
		'localhost:8080/';
	push @urls, map { my $port = $_; map { "https://$_:$port/" }
		'127.0.0.1', '10.0.0.5', 'meta.example' } 22, 80, 5432, 6379, 8443;
	# Public, but not the port that is meant for everybody.
	push @urls, map { my $port = $_; map { "https://$_:$port/x" }
		'evil.example', 'storage.example', '52.95.110.3', 'api.twilio.com' }
		8443, 80, 22, 25, 8080, 65535;
	push @urls, 'file:///etc/passwd', 'file://localhost/etc/shadow',
		'data:text/plain,x', 'javascript:1', '///127.0.0.1/', '//10.0.0.5/x',
		'\\\\10.0.0.5\\x', "https:\\\\10.0.0.5", 'https:10.0.0.5',
		'https:///10.0.0.5', ' https://10.0.0.5/', "\thttps://10.0.0.5/",
		'https://10.0.0.5/' . 'x' x 3000, 'https://', '', '%', '/' x 2000,
		'https://user:password@10.0.0.5/', '//[::1]/', '?x', '#x';
	return uniq @urls;
}

my $dir = tempdir(CLEANUP => 1);
my ($net, $refused);

# Asks for media whose addresses lead on like that: a list of locations for
# each. The ledger; and how many were refused by our own rules.
sub led (@chains) {
	my (%answers, @sids);
	for my $chain (@chains) {
		push @sids, my $sid = Ringback::Test::sid('RE');
		my $at = "api.twilio.com/2010-04-01/Accounts/$account/Recordings"
			. "/$sid.mp3";
		for my $i (0 .. $#$chain) {
			my $location = $chain->[$i] =~ s/SID/$sid-$i/r;
			$answers{$at} = $location;
			my ($host, $path) = $location =~
				m{^(?:\w+:)?//(?:[^/@]*@)?([^/?#]+)([^#]*)};
			$at = lc($host // $at =~ s{/.*}{}r) . ($host ? $path
				: $location);
			$at =~ s/:443\//\//;
		}
	}
	$net->answers(\%answers);
	my ($status, $out, $err) = $net->run(join('', map { "$_\n" } @sids),
		$probe, 'https://api.twilio.com', $account,
		$Ringback::Test::TOKEN);
	is $status, 0, 'all have been asked for' or diag $err;
	is scalar(() = $out =~ /^RE/mg), @sids, 'each of them';
	unlike $out, qr/^RE\w+ 200 /m, 'none is there';
	$refused = () = $out =~ /^RE\w+ \d+ refused /mg;
	return $net->ledger;
}

sub inwards (@ledger) {
	return grep { $_->{to} !~ /^52\.95\.110\.[123]:443$/ } @ledger;
}

my $why = no_namespaces();
$net = Ringback::Internet->new(dir => $dir, names => { %public, %inward })
	if !$why;

subtest 'T7: a redirection that leads inwards is not followed' => sub {
	plan skip_all => $why if $why;
	my @urls = hostile_urls();
	figure('hostile addresses', scalar @urls, '>=', 300);
	my @ledger = led(map { [ $_ ] } @urls);
	my @inwards = inwards(@ledger);
	figure('connections to where nobody should be led', scalar @inwards,
		'==', 0);
	diag explain [ @inwards[0 .. 4] ] if @inwards;
	figure('refused by rule, which is no outage', $refused, '>=', 300);
	is scalar(grep { $_->{authorization} } @ledger), scalar @urls,
		'Twilio is asked for each, with credentials';
	is scalar(grep { $_->{authorization} && "$_->{host}$_->{path}" !~
		m{^api\.twilio\.com/2010-04-01/Accounts/$account/Recordings/RE
		[0-9a-f]{32}\.mp3$}x } @ledger), 0, 'and nobody else';
};

subtest 'T7: the same from the second and the third host on' => sub {
	plan skip_all => $why if $why;
	my @urls = grep { m{^https?://} } hostile_urls();
	my @ledger = led(map { [ (map { "https://$_/SID" } ('storage.example',
		'evil.example')[0 .. int rand 2]), $_ ] } @urls);
	is scalar(my @in = inwards(@ledger)), 0, scalar(@urls)
		. ' addresses: nobody was led there';
	cmp_ok scalar(grep { ($_->{host} // '') eq 'storage.example' } @ledger),
		'>=', @urls, '(and all came that far)';
};

subtest 'T8: chains of redirections never see credentials' => sub {
	plan skip_all => $why if $why;
	my $n = 1_000;
	my @hop = map { $_ . '/SID' } ('https://storage.example',
		'https://evil.example', 'https://evil.example:8443',
		'https://api.twilio.com', 'https://api.twilio.com:8443',
		'https://api.twilio.com@evil.example',
		'https://u:p@storage.example', '//evil.example', '',
		'https://API.TWILIO.COM', 'https://evil.example/api.twilio.com',
		'https://52.95.110.3', 'https://52.95.110.1');
	my @ledger = led(map { [ map { pick(@hop) } 1 .. 1 + int rand 5 ] }
		1 .. $n);
	my @first = grep { ($_->{path} // '') =~ m{^/2010-04-01/} } @ledger;
	my @on = grep { ($_->{path} // '') !~ m{^/2010-04-01/} } @ledger;
	figure('chains of redirections', $n, '>=', 1_000);
	is scalar(grep { $_->{authorization} && $_->{host} eq 'api.twilio.com'
		&& $_->{to} eq '52.95.110.1:443' } @first), $n,
		'each begins at Twilio, with credentials';
	# Even back at Twilio: the address is somebody else's.
	figure('requests further on', scalar @on, '>=', $n);
	figure('credentials seen further on', scalar(grep {
		$_->{authorization} || ($_->{said} // '') =~
		/authorization|cookie|canary/i } @on), '==', 0);
	my %hops;
	$hops{$_}++ for map { ($_->{path} // '') =~ m{(RE[0-9a-f]{32})} } @on;
	cmp_ok +(sort { $b <=> $a } values %hops)[0], '<=', 3,
		'and none is followed further than three times';
};

# Far from it being an outage, in which everybody would have to wait.
subtest 'T7: a redirection that is refused fails that recording' => sub {
	my @to = ('ftp://evil.example/x', 'http://evil.example/', 'https://',
		'file:///etc/passwd', 'gopher://127.0.0.1:6379/_x', '');
	$outside->recording($t, speech(++$frames)) for 0 .. @to;
	$outside->next(twilio => map { { status => 302, headers =>
		{ Location => $_ } } } @to);
	my ($status, $out, $err) = $t->sweep;
	is $t->sql(q{select count(*) from twilio_recordings where attempts = 1
		and step = 'download' and last_error like
		'%led to where we do not go%'}), scalar @to,
		'each of these has failed once, and says why';
	is $t->sql(q{select count(*) from twilio_recordings where
		step = 'done'}), 1, 'the one behind them is transcribed';
	is $t->sql('select count(*) from pauses'), 0, 'nobody is paused';
	is $status, 0, 'and it is no outage';
	$outside->always('twilio');
	$t->dbh->do('delete from twilio_recordings');
};

# --- what a webhook says ---------------------------------------------------

subtest 'T7: what a webhook says of media is not asked' => sub {
	plan skip_all => 'strace does not work here' if no_strace();
	my @urls = hostile_urls();
	my (%said, @posts);
	for my $url (@urls) {
		my %call = $t->call;
		my %recording = $t->recording($call{CallSid}, RecordingUrl =>
			$url);
		$said{ $recording{RecordingSid} } = $url;
		push @posts, signed_post($t, '/api/twilio/recording-status',
			\%recording), signed_post($t, '/api/twilio/sms',
			{ $t->text(NumMedia => 1, MediaUrl0 => $url,
			MediaContentType0 => 'image/png') });
	}
	is scalar(grep { !/^2/ } volley($t, \@posts)), 0, 'all are kept';
	$t->dbh->do('update twilio_recordings set run_at = now() where
		step <> ?', undef, 'dead');
	my $before = $t->fake('twilio')->requests;
	$outside->always(twilio => { status => 400, json => { code => 1 } });
	my $trace = $t->dir . '/run/trace';
	Ringback::Pass->run($t, { before => [ qw(strace -f -e trace=connect
		-o), $trace ], ASAN_OPTIONS => 'detect_leaks=0' });
	my @asked = map { $_->{path} } $t->fake('twilio')->requests;
	splice @asked, 0, $before;
	my %asked = map { $_ => 1 } map { m{^/2010-04-01/Accounts/$account/
		Recordings/(RE[0-9a-f]{32})\.mp3$}x ? $1 : "not $_" } @asked;
	is_deeply [ sort keys %asked ], [ sort keys %said ], scalar(@urls)
		. ' recordings are asked for, by their SIDs, at Twilio';
	my %port = map { $t->fake($_)->{port} => 1 } qw(twilio openai llm);
	my @to = grep { !/AF_UNIX|AF_UNSPEC/ } map { /connect\(\d+, \{(.*?)\}/ }
		split /\n/, Ringback::Test::slurp($trace);
	cmp_ok scalar @to, '>=', @urls, 'connections: ' . @to;
	is scalar(grep { !/htons\((\d+)\).*"127\.0\.0\.1"/ || !$port{$1} } @to),
		0, 'to nobody else';
	$outside->always('twilio');
	$t->dbh->do('delete from twilio_recordings');
};

subtest 'T18: no proxy, password file or curlrc of the machine is used' => sub {
	my $proxy = IO::Socket::INET->new(Listen => 9, LocalAddr => '127.0.0.1',
		LocalPort => 0) or die $!;
	my $url = 'http://127.0.0.1:' . $proxy->sockport;
	my $home = tempdir(CLEANUP => 1);
	my %file = ('.netrc' => "default login canary-netrc password x\n",
		'.curlrc' => "proxy = $url\ninsecure\n",
		'.config/curlrc' => "proxy = $url\n");
	mkdir "$home/.config";
	for (keys %file) {
		open my $fh, '>', "$home/$_" or die $!;
		print {$fh} $file{$_};
		close $fh;
	}
	chmod 0755, $home, "$home/.config";
	my $sid = $outside->recording($t, speech(++$frames));
	my ($status, $out) = Ringback::Pass->run($t, { HOME => $home,
		CURL_HOME => $home, XDG_CONFIG_HOME => "$home/.config", NETRC =>
		"$home/.netrc", map { (lc, $url, uc, $url) }
		qw(http_proxy https_proxy all_proxy ftp_proxy) });
	like $out, qr/: 1 done/, 'done';
	vec(my $bits = '', fileno $proxy, 1) = 1;
	is scalar select($bits, undef, undef, 0.2), 0, 'nobody came by';
	my @basic = grep { $_ } map { $_->{authorization} } map {
		$t->fake($_)->requests } qw(twilio openai llm);
	is scalar(grep { Mojo::Util::b64_decode(s/^Basic //r) =~ /canary-netrc/ }
		@basic), 0, 'nor was such a password used';
};

# --- TLS -------------------------------------------------------------------

# What a server of openssl's is told by a sweep that is to trust it.
sub told_to ($what, @options) {
	my $port = Ringback::Test::free_port();
	my $out = "$dir/told";
	pipe my $silence, my $held or die "pipe: $!";
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		open STDIN, '<&', $silence;
		open STDOUT, '>', $out;
		open STDERR, '>&', \*STDOUT;
		exec qw(openssl s_server -quiet -accept), "127.0.0.1:$port",
			'-cert', "$dir/local.pem", '-key', "$dir/local.key",
			'-cipher', 'ALL:@SECLEVEL=0', @options
			or POSIX::_exit(127);
	}
	$t->wait_for('s_server', sub { IO::Socket::INET->new(PeerAddr =>
		'127.0.0.1', PeerPort => $port) });
	$outside->recording($t, speech(++$frames));
	my ($status, $said) = Ringback::Pass->run($t, { TWILIO_API_BASE_URL =>
		"https://127.0.0.1:$port", before => [ 'timeout', 20,
		with_file($dir, '/etc/ssl/certs/ca-certificates.crt',
		Ringback::Test::slurp("$dir/ca.pem")) ],
		# The most that a careless administrator could allow.
		OPENSSL_CONF => lenient() }, '--limit', 1);
	kill 'TERM', $pid;
	waitpid $pid, 0;
	$t->dbh->do('delete from twilio_recordings');
	$t->dbh->do('delete from pauses');
	return ($said, Ringback::Test::slurp($out));
}

sub lenient () {
	my $file = "$dir/openssl.cnf";
	open my $fh, '>', $file or die "$file: $!";
	print {$fh} "openssl_conf = a\n[a]\nssl_conf = b\n[b]\n"
		. "system_default = c\n[c]\nMinProtocol = TLSv1\n"
		. "CipherString = ALL:\@SECLEVEL=0\n";
	close $fh;
	chmod 0755, $dir;
	chmod 0644, $file;
	return $file;
}

subtest 'T28: TLS that is too old is not spoken' => sub {
	plan skip_all => $why if $why;
	certificate($dir, 'local');
	chmod 0755, $dir;
	for my $version (qw(-tls1 -tls1_1)) {
		my ($said, $told) = told_to('old', $version);
		like $said, qr/ 1 later/, "$version: nothing comes of it";
		unlike $told, qr/GET|HTTP|Authorization/,
			"$version: not a byte is said";
	}
	my ($said, $told) = told_to('new', '-tls1_2');
	like $told, qr/GET .*Authorization/s, '(where 1.2 is spoken it is)';
};

subtest 'T28: verification has no off switch' => sub {
	my $server = Ringback::Fake->new(sub ($c, $n) {
		$c->render(data => speech(60)) }, tls => [ map {
		$t->dir . "/tls/$_.pem" } qw(cert key) ]);
	my $home = tempdir(CLEANUP => 1);
	chmod 0755, $home;
	open my $fh, '>', "$home/.curlrc" or die $!;
	print {$fh} "insecure\n";
	close $fh;
	my @off = ((map { ($_ => 0) } qw(SSL_VERIFY CURL_SSL_VERIFY TLS_VERIFY
		VERIFY_SSL TWILIO_VERIFY NODE_TLS_REJECT_UNAUTHORIZED
		PYTHONHTTPSVERIFY)), (map { ($_ => 1) } qw(INSECURE
		CURL_INSECURE SSL_NO_VERIFY GIT_SSL_NO_VERIFY)),
		RINGBACK_ENV => 'development', TWILIO_VALIDATE => 'observe',
		HOME => $home, CURL_HOME => $home);
	my $sid = $outside->recording($t, speech(++$frames));
	my ($status, $out) = Ringback::Pass->run($t, { @off,
		TWILIO_API_BASE_URL => $server->url });
	is $status, 75, 'a certificate that nobody vouches for: exit 75';
	like $out, qr/SSL certificate/, 'says so';
	is scalar $server->requests, 0, 'and says nothing to that server';
	$server->stop;
};

$t->done;
