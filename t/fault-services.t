# SPDX-License-Identifier: ISC
# Days that t/sweep_faults.t does not have: a server that trickles, one that
# does not end, one that is not who it says it is, a name that nobody knows.
# No recording is the worse for it, and nobody hears what is not theirs.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Compress::Gzip qw(gzip);
use List::Util qw(shuffle);
use Ringback::Clock;
use Ringback::Fake;
use Ringback::Figure qw(figure seed);
use Ringback::Internet qw(no_namespaces certificate with_file);
use Ringback::Outside qw(speech);
use Ringback::Pass;
use Ringback::Test;
use Time::HiRes qw(sleep time);

seed();
my $outside = Ringback::Outside->new;
my $t = Ringback::Test->new(fakes => $outside->fakes);
my %fake = map { $_ => $t->fake($_) } qw(twilio openai llm);
my %base = (twilio => 'TWILIO_API_BASE_URL', openai => 'OPENAI_BASE_URL',
	llm => 'LLM_BASE_URL');
my %whose = (twilio => 'Twilio', openai => 'the transcription server',
	llm => "the language model's server");
# Memory that the sanitizer keeps is not the sweep's.
my $sanitized = Ringback::Test::slurp(Ringback::Pass::program($t))
	=~ /__asan_init/;
my $frames = 34;

# Each recording has a length of its own, and so its own transcript.
sub due () { return $outside->recording($t, speech(++$frames)) }

sub recording_row ($sid) {
	return $t->row('select *, extract(epoch from run_at - updated_at) as
		wait from twilio_recordings where recording_sid = ?', $sid);
}

sub asked ($name, $like = qr/./) {
	return scalar $fake{$name}->requests($like);
}

# What a recording is after an outage: due later, no attempt burned.
sub as_after_an_outage ($what, $why, @sids) {
	for my $r (map { recording_row($_) } @sids) {
		is "$r->{status} $r->{attempts}", 'pending 0',
			"$what: pending, no attempt burned";
		like $r->{last_error} // '', $why, "$what: says why";
	}
	return;
}

# The good day after. Stands for the end of the wait.
sub all_is_well ($what, @sids) {
	$outside->always($_) for keys %fake;
	$t->dbh->do(q{update twilio_recordings set run_at = now() where step in
		('download', 'analyse')});
	my ($status, $out) = $t->sweep;
	is $status, 0, "$what: the next pass ends well";
	like $out, qr/: @{[ scalar @sids ]} done/, "$what: with all of them";
	return;
}

subtest 'after a long night the oldest is done first' => sub {
	my @sids = shuffle map { due() } 1 .. 4;
	for my $i (0 .. $#sids) {
		$t->dbh->do(q{update twilio_recordings set run_at = now() -
			? * interval '1 hour' where recording_sid = ?}, undef,
			6 - $i, $sids[$i]);
	}
	my $before = asked('twilio');
	like +($t->sweep('--jobs', 1))[1], qr/: 4 done/, 'all are done';
	my @all = map { $_->{path} =~ /(RE\w+)/ } $fake{twilio}->requests;
	is_deeply [ @all[$before .. $#all] ], \@sids, 'in the order in which '
		. 'they were due';
};

subtest 'media that are late are asked for less and less' => sub {
	my @sids;
	for my $case ([ 0, 2 ], [ 5, 5 ], [ 40, 40 ], [ 300, 60 ],
		[ 14 * 60, 60 ]) {
		my ($since, $wait) = @$case;
		push @sids, my $sid = due();
		$t->dbh->do(q{update twilio_recordings set first_attempt_at =
			now() - ? * interval '1 second' where recording_sid =
			?}, undef, $since, $sid);
		# More than the pass itself would wait for.
		$outside->always(twilio => { status => 404, type =>
			'application/xml', body =>
			$Ringback::Outside::NOT_THERE });
		my ($status) = Ringback::Pass->run($t, { before => [ qw(timeout
			-s TERM 1) ] }, '--limit', 1);
		my $r = recording_row($sid);
		ok abs($r->{wait} - $wait) <= 3, "after $since s: another "
			. "$wait s, or so ($r->{wait})";
		as_after_an_outage("after $since s", qr/not have the media yet/,
			$sid);
	}
	all_is_well('late media', @sids);
};

subtest 'media that Twilio will not show are one dead letter' => sub {
	my @sids = map { due() } 1 .. 3;
	$outside->next(twilio => {}, { status => 403, json => { code => 20006,
		message => 'Forbidden', status => 403 } });
	my ($status, $out) = $t->sweep('--jobs', 1);
	is $status, 1, 'exit 1: somebody should look';
	like $out, qr/: 2 done.* 1 failed/, 'the others are done';
	my $r = recording_row($sids[1]);
	is "$r->{step} $r->{status}", 'dead failed', 'that one is dead';
	like $r->{last_error}, qr/Twilio answered 403/, 'and says why';
	is asked('twilio', qr/$sids[1]/), 1, 'and was asked for once';
	$t->dbh->do(q{update twilio_recordings set run_at = now()});
	$t->sweep;
	is asked('twilio', qr/$sids[1]/), 1, 'and never again';
	$t->dbh->do(q{delete from twilio_recordings where step <> 'done'});
};

subtest 'Retry-After is obeyed, whoever says it' => sub {
	for my $case ([ twilio => 429, 7, 7 ], [ twilio => 503, 120, 120 ],
		[ openai => 503, 0, 1 ], [ llm => 429, 99999999, 900 ],
		[ llm => 529, 7, 7 ]) {
		my ($name, $code, $value, $wait) = @$case;
		my $sid = due();
		$outside->next($name => { status => $code, headers =>
			{ 'Retry-After' => $value, 'retry-after-ms' => 20 },
			json => { error => { message => 'busy' } } });
		my ($status) = $t->sweep('--limit', 1);
		is $status, 75, "$name: $code: exit 75";
		my $r = recording_row($sid);
		ok abs($r->{wait} - $wait) < 1, "$name: $code: $value: "
			. "$r->{wait} s";
		as_after_an_outage("$name: $code", qr/answered $code/, $sid);
		all_is_well("$name: $code", $sid);
	}
};

subtest 'no status of an outage burns an attempt' => sub {
	for my $name (sort keys %fake) {
		my @codes = (408, 409, 425, 504);
		my @sids = map { due() } @codes;
		$outside->next($name => map { { status => $_ } } @codes);
		is +($t->sweep('--jobs', 1))[0], 75, "$name: exit 75";
		as_after_an_outage("$name: $codes[$_]",
			qr/answered $codes[$_]/, $sids[$_]) for 0 .. $#codes;
		all_is_well("$name: these", @sids);
	}
};

# --- answers without an end -----------------------------------------------

# Peak memory of a pass in which that server has to transcribe a recording;
# the media of another, which came before, keep the pass from ending.
sub peak_mb ($server) {
	my $other = due();
	my $before = asked('twilio');
	my $hold = "peak $before";
	$outside->next(twilio => { hold => $hold, status => 503 });
	my $pass = Ringback::Pass->start($t, { OPENAI_BASE_URL =>
		$server->url });
	$t->wait_for('the other to be held', sub {
		return asked('twilio') > $before });
	my $sid = due();
	$t->wait_for('the end of the answer', sub {
		my $r = recording_row($sid);
		return !$r->{lease} && $r->{last_error};
	});
	my ($kb) = Ringback::Test::slurp("/proc/@{[ $pass->pid ]}/status") =~
		/^VmHWM:\s+(\d+) kB/m;
	$outside->release($hold);
	$pass->end;
	return ($kb / 1024, $sid, $other);
}

subtest 'an answer that would fill the memory does not' => sub {
	gzip(\('0' x 200_000_000), \my $bomb) or die 'gzip';
	my %server = (
		'an answer without end' => sub ($c, $n) {
			my $megabyte = ' ' x 1_000_000;
			my $more;
			$c->res->headers->content_length(1 << 30);
			$more = sub ($c, @) { $c->write($megabyte => $more) };
			$more->($c);
		},
		'an answer of 200 MB in 200 KB' => sub ($c, $n) {
			$c->res->headers->content_type('application/json');
			$c->res->headers->content_encoding('gzip');
			$c->render(data => $bomb);
		},
	);
	for my $what (sort keys %server) {
		my $server = Ringback::Fake->new($server{$what});
		my ($mb, $sid, $other) = peak_mb($server);
		figure("memory for $what", sprintf('%.0f', $mb), '<=', 64,
			unit => 'MB', timing => $sanitized);
		my $r = recording_row($sid);
		isnt $r->{status}, 'completed', "$what: is not believed";
		ok $r->{last_error}, "$what: $r->{last_error}";
		$server->stop;
		$t->dbh->do(q{delete from twilio_recordings where
			recording_sid = ?}, undef, $sid);
		all_is_well($what, $other);
	}
};

# --- answers that take for ever -------------------------------------------

subtest 'a server that trickles or is silent is not waited for' => sub {
	plan skip_all => 'no libfaketime here' unless Ringback::Clock->there;
	my $clock = Ringback::Clock->new($t);
	my %server = (silent => sub ($c, $n) { $c->render_later },
		trickling => sub ($c, $n) {
		$c->res->headers->content_length(1000);
		$c->write('');
		my $id = Mojo::IOLoop->recurring(1 => sub { $c->write('x') });
		$c->on(finish => sub { Mojo::IOLoop->remove($id) });
	});
	my @waiting;
	for my $how (sort keys %server) {
		my $server = Ringback::Fake->new($server{$how});
		for my $name (sort keys %fake) {
			my $sid = due();
			my $before = $server->requests;
			# No heartbeat: its statement would see time leap.
			my $pass = Ringback::Pass->start($t, {
				%{ $clock->env(passes => 1) },
				LEASE_SECONDS => 3600,
				$base{$name} => $server->url }, '--limit', 1);
			$t->wait_for("$how $name to be asked", sub {
				return $server->requests > $before });
			push @waiting, { what => "$whose{$name}, $how", name =>
				$name, sid => $sid, pass => $pass, server =>
				$server };
		}
	}
	my @all = @waiting;
	for my $seconds (30, 65, 125, 305) {
		$clock->set($seconds);
		sleep 1;
		my @left = grep { recording_row($_->{sid})->{lease} } @waiting;
		for my $one (@waiting) {
			$one->{within} //= $seconds unless grep {
				$_ == $one } @left;
		}
		@waiting = @left;
	}
	for my $one (@all) {
		figure("$one->{what}: given up within", $one->{within} // 9999,
			'<=', 305, unit => 's');
		$one->{pass}->signal('TERM') if !$one->{within};
		my ($status, $out, $err) = $one->{pass}->end;
		like $out, qr/ 1 later/, "$one->{what}: later";
		as_after_an_outage($one->{what}, qr/gave\ no\ answer:
			.*(?:timed\ out|too\ slow)/x, $one->{sid});
	}
	$_->stop for map { $_->{server} } @all[0, -1];
	all_is_well('after those', map { $_->{sid} } @all);
};

# --- names and certificates -----------------------------------------------

my $why = no_namespaces();
my $run = $t->dir . '/run';

subtest 'a name that nobody knows is an outage' => sub {
	plan skip_all => $why if $why;
	for my $name (qw(twilio openai llm)) {
		my @sids = map { due() } 1 .. 2;
		my ($status, $out) = Ringback::Pass->run($t, {
			$base{$name} => 'https://api.example.invalid',
			OPENAI_API_KEY => 'canary-openai-key-17',
			before => [ with_file($run, '/etc/nsswitch.conf',
			"hosts: files\n") ] }, '--jobs', 1);
		is $status, 75, "$name: exit 75";
		like $out, qr/stopped:\ \Q$whose{$name}\E\ gave\ no\ answer:
			\ Could\ not\ resolve\ host/x, "$name: says so";
		is recording_row($sids[1])->{attempts}, 0,
			"$name: the pass is over, the next was not begun";
		as_after_an_outage($name, qr/resolve host/, $sids[0]);
		all_is_well("$name: a name again", @sids);
	}
};

subtest 'a name server that does not answer is not waited for' => sub {
	plan skip_all => $why if $why;
	my @sids = map { due() } 1 .. 2;
	my $start = time;
	# The sweep inherits its socket, which nobody reads.
	my ($status, $out) = Ringback::Pass->run($t, {
		TWILIO_API_BASE_URL => 'https://api.example.invalid',
		before => [ qw(unshare -n), with_file($run, '/etc/resolv.conf',
		"nameserver 127.0.0.1\n"), qw(perl -MIO::Socket::INET -e),
			<<'PL' ] });
			system(qw(ip link set lo up)) == 0 or die;
			$^F = 255;
			my $s = IO::Socket::INET->new(Proto => 'udp',
				LocalAddr => '127.0.0.1', LocalPort => 53)
				or die;
			exec @ARGV;
PL
	figure('a silent name server: given up within', sprintf('%.1f',
		time - $start), '<=', 6, unit => 's', timing => 1);
	is $status, 75, 'exit 75';
	like $out, qr/gave no answer: .*[Rr]esolv/, 'says so';
	as_after_an_outage('no name server', qr/[Rr]esolv/, @sids);
	all_is_well('a name server again', @sids);
};

subtest 'who is not who they say they are hears nothing' => sub {
	plan skip_all => $why if $why;
	my $dir = $t->dir . '/run/ca';
	mkdir $dir or die "$dir: $!";
	my $handlers = $outside->fakes;
	my $any = sub ($c, $n) {
		my $path = $c->req->url->path->to_string;
		$handlers->{ $path =~ /mp3/ ? 'twilio' : $path =~
			/transcriptions/ ? 'openai' : 'llm' }->($c, $n);
	};
	my $genuine = Ringback::Fake->new($any, tls => certificate($dir,
		'genuine'));
	my @trusting = with_file($run, '/etc/ssl/certs/ca-certificates.crt',
		Ringback::Test::slurp("$dir/ca.pem"));
	for my $case ([ 'an expired certificate', 1, days => -1 ],
		[ "somebody else's certificate", 1, names =>
		'DNS:api.example.org' ], [ 'a certificate of nobody we trust',
		0 ]) {
		my ($what, $trust, %how) = @$case;
		my $server = Ringback::Fake->new($any, tls => certificate(
			$dir, $what =~ s/\W+/-/gr, %how));
		for my $name (qw(twilio openai llm)) {
			my $sid = due();
			my ($status, $out) = Ringback::Pass->run($t,
				{ $base{$name} => $server->url,
				before => $trust ? \@trusting : [] });
			is $status, 75, "$what: $name: exit 75";
			like $out, qr/stopped:\ \Q$whose{$name}\E\ gave\ no
				\ answer:\ SSL/x, "$what: $name: says so";
			as_after_an_outage("$what: $name",
				qr/certificate|SSL/, $sid);
			all_is_well("$what: $name: then", $sid);
		}
		figure("requests made to $what", scalar $server->requests,
			'==', 0);
		$server->stop;
	}
	my $sid = due();
	my ($status, $out) = Ringback::Pass->run($t, { before => \@trusting,
		map { $base{$_} => $genuine->url } keys %base });
	like $out, qr/: 1 done/, 'while the genuine one is believed';
	is scalar $genuine->requests, 3, 'and hears it all';
	$genuine->stop;
};

$t->done;
