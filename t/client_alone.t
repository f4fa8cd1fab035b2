# SPDX-License-Identifier: ISC
# ringback without a server of ours: JSON of every kind, answers that a good
# server never gives, wrong command lines, and whether help, manual page and
# completion tell the same.
use v5.36;
use utf8;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use File::Copy qw(copy);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use JSON::PP ();
use List::Util qw(uniq);
use Mojo::Util qw(decode encode);
use Ringback::Client;
use Ringback::Fake;
use Ringback::Test;

binmode Test::More->builder->$_, ':utf8'
	for qw(output failure_output todo_output);

my $client = "$Ringback::Client::ROOT/app/client";
my @awks = grep { my $awk = $_; grep { -x "$_/$awk" } split /:/, $ENV{PATH} }
	qw(mawk gawk original-awk);
my $KEY = 'tw_' . 'k' x 8 . '_' . 's' x 43;

sub has ($program) { return grep { -x "$_/$program" } split /:/, $ENV{PATH} }

# --- JSON ------------------------------------------------------------------

# What json.awk makes of bytes: its lines, in order of path; undef: refused.
sub flat ($awk, $bytes, @more) {
	state $dir = tempdir(CLEANUP => 1);
	open my $fh, '>:raw', "$dir/json" or die "$dir/json: $!";
	print {$fh} "$bytes\n";
	close $fh;
	local $ENV{LC_ALL} = 'C';
	open my $out, '-|', 'sh', '-c', 'exec "$@" <"$0" 2>&1', "$dir/json",
		$awk, '-f', "$client/json.awk", @more or die "$awk: $!";
	my $text = do { local $/; <$out> // '' };
	close $out;
	return $? == 0 ? decode('UTF-8', $text) // 'not UTF-8' : undef;
}

# The same by Perl's JSON.
sub expected ($value, $path = '') {
	my $below = sub ($key, $v) {
		return expected($v, ($path eq '' ? '' : "$path.") . $key);
	};
	return join '', map { $below->(shown($_) =~ s/[\x01\t]/ /gr,
		$value->{$_}) } sort keys %$value if ref $value eq 'HASH';
	return join '', map { $below->($_, $value->[$_]) } 0 .. $#$value
		if ref $value eq 'ARRAY';
	return '' if !defined $value;
	return "$path\t" . ($value ? 'true' : 'false') . "\n"
		if JSON::PP::is_bool($value);
	return "$path\t" . shown($value) . "\n";
}

# As json.awk promises: line breaks marked, nothing that a terminal obeys.
my $OBEYED = '\x00-\x08\x0b-\x1f\x7f-\x9f\x{61c}\x{200e}\x{200f}'
	. '\x{2028}-\x{202e}\x{2066}-\x{2069}';

sub shown ($text) {
	$text =~ s/[\x08\f\r]//g;
	$text =~ s/[$OBEYED]/\x{fffd}/g;
	return $text =~ tr/\n/\x01/r;
}

subtest 'JSON is read as it is meant' => sub {
	my @good = ('{}', '[]', '""', '0', ' [ 1 , -2.5 ,
		100 ] ', 'null',
		'{"a":{"b":[{"c":"d"},[[]],null,true,false]},"":{"":""}}',
		'"\u0041\u00e9\u20ac\ud83d\ude00\uD83D\uDE00"',
		'"\\\\\"\/\b\f\n\r\t"', '"\\\\\\\\"', '["\\\\","\\""]',
		'"a\u0000\u0001\u001b[31m\u007f\u009b\u061c\u202e\u2066"',
		encode('UTF-8', "\"é€😀\x{7f}\x{80}\x{9b}\x{9f}\x{a0}"
		. "\x{61c}\x{200e}\x{2028}\x{202e}\x{2069}\x{206a}\""),
		'{"a\nb\tc":"d"}', '"' . 'x\"' x 9000 . '"',
		'[' x 80 . '"deep"' . ']' x 80);
	my @bad = ('', '{', '[1', '"a', '"a\\"', '{"a"}', '{"a":}', '{"a":1,}',
		'[1,]', '[,1]', '{,}', '{"a" "b"}', '{1:2}', '[1 2]', '1 2',
		'"a" "b"', '01', '1.', '.5', '+1', '--1', '1e', 'nul', 'True',
		'NaN', '[1}', '{"a":1]', ']', '"\x"', '"\u12g4"', '"\u12',
		'"\u"', "\"a\nb\"", "\"a\tb\"", "\"\x{1}\"", "\"\xff\"",
		"\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xe2\x82\"",
		"\"\xf5\x80\x80\x80\"", "'a'", '{"a":1}x', '<html>', ':', ',');
	my $json = JSON::PP->new->utf8->allow_nonref;
	for my $awk (@awks) {
		for my $text (@good) {
			is lines(flat($awk, $text) // 'refused'),
				lines(expected($json->decode($text))),
				"$awk: " . decode('UTF-8', substr $text, 0, 50)
		}
		is flat($awk, $_), "\t$_\n", "$awk: $_" for
			qw(-0 1E5 -2.50e-3 0e+1);
		is flat($awk, $_), undef, "$awk refuses " . s/[^ -~]/?/gr for @bad;
		is flat($awk, encode('UTF-8', '{"x":[ {"a":[1, "b\"\\\\"], "c":{}} , "é\ud83d" ],'
			. '"next":"n"}'), 'rows=1', '-'),
			qq( {"a":[1, "b\\"\\\\"], "c":{}} , "é\\ud83d" \n),
			"$awk: rows as they came";
	}
	ok scalar @awks, 'by ' . join ', ', @awks;
};

subtest 'whatever Perl writes, also when it is damaged' => sub {
	srand 20260901;
	my @letters = (map({ chr } 0 .. 0x7f), '"', '\\', '{', '}', '[', ']',
		',', ':', "\x{e9}", "\x{9b}", "\x{202e}", "\x{20ac}", "\x{1f600}");
	my $word = sub { join '', map { $letters[rand @letters] } 1 .. rand 9 };
	my $some;
	$some = sub ($depth) {
		my $kind = $depth > 0 ? int rand 8 : 2 + int rand 6;
		return { map { $word->() => $some->($depth - 1) } 1 .. rand 4 }
			if $kind == 0;
		return [ map { $some->($depth - 1) } 1 .. rand 4 ] if $kind == 1;
		return (undef, JSON::PP::true, int rand 1000, -0.5)[rand 4]
			if $kind == 2;
		return $word->();
	};
	my %count;
	for my $n (1 .. 250) {
		my $json = JSON::PP->new->canonical->ascii($n % 2)->utf8(!($n % 2))
			->pretty($n % 3 == 0)->allow_nonref;
		my $bytes = $json->encode([ $some->(4) ]);
		substr $bytes, rand length $bytes, int rand 2, ('"', '\\', '{',
			']', ',', ':', '0', "\xff", "\x01", '')[rand 10] if $n % 5 < 2;
		my $value = eval { JSON::PP->new->utf8->allow_nonref
			->decode($bytes) };
		# JSON's grammar lets half a surrogate pair stand, Perl does not.
		next if $@ =~ /surrogate/;
		my $want = $@ ? undef : lines(expected($value));
		for my $awk (@awks) {
			my $got = flat($awk, $bytes);
			next if ($got = defined $got ? lines($got) : undef, 1) &&
				defined $got == defined $want
				&& ($got // '') eq ($want // '');
			is $got, $want, "$awk: $bytes";
		}
		$count{ defined $want ? 'good' : 'bad' }++;
	}
	cmp_ok $count{$_}, '>', 40, "$count{$_} $_ ones" for qw(good bad);
};

sub lines ($text) { return join "\n", sort split /\n/, $text }

subtest 'JSON for others is the same, less what a terminal would obey' => sub {
	my $text = "{\"a\":\"é\x{7f}\x{80}\x{9f}\x{a0}\x{61b}\x{61c}\x{200d}"
		. "\x{200e}\x{200f}\x{2010}\x{2027}\x{2028}\x{202e}\x{202f}\x{2066}"
		. "\x{2069}\x{206a}😀\"}";
	for my $awk (@awks) {
		my $dir = tempdir(CLEANUP => 1);
		open my $fh, '>:utf8', "$dir/json" or die $!;
		print {$fh} $text;
		close $fh;
		my $got = decode('UTF-8', `LC_ALL=C $awk -f $client/harmless.awk $dir/json`);
		is_deeply(JSON::PP->new->decode($got), JSON::PP->new->decode($text),
			"$awk: the same");
		unlike $got, qr/[$OBEYED]/, '... in other words';
		like $got, qr/é.*\x{a0}\x{61b}.*\x{200d}.*\x{2010}\x{2027}.*\x{202f}
			.*\x{206a}😀/x, '... where it must be';
	}
};

# --- answers ---------------------------------------------------------------

# A client of a server that answers by this function, and the server.
sub served ($handler, %o) {
	my $fake = Ringback::Fake->new($handler);
	return (Ringback::Client->new(url => $fake->url, key => $KEY, %o), $fake);
}

subtest 'trouble that passes is met with patience' => sub {
	my ($c, $fake) = served(sub ($c, $n) {
		return Mojo::IOLoop->stream($c->tx->connection)->close if $n == 1;
		return $c->render(text => '<html>', status => 502) if $n == 2;
		$c->render(json => { success => \1, message => { sid => 'SM1',
			status => $c->req->headers->header('Idempotency-Key') } },
			status => 201);
	});
	my $r = $c->run(qw(sms +14155550123 Hello));
	my ($once) = $r->{out} =~ /^SM1 ([0-9a-f]{32})$/;
	is $r->{status}, 0, 'a broken connection, a worker that died: done';
	like $r->{err}, qr/(?:asking again.*){2}/s, '... after two more tries';
	my @asked = $fake->requests;
	is scalar @asked, 3, 'three in all';
	is_deeply [ uniq map { $_->{body} } @asked ],
		['{"to":"+14155550123","body":"Hello"}'], 'of the same words';
	is_deeply [ uniq map { $_->{authorization} } @asked ],
		["Bearer $KEY"], 'with the key';
	ok defined $once, 'and an Idempotency-Key';
	$fake->stop;

	my @keys = ('');
	($c, $fake) = served(sub ($c, $n) {
		$c->render(json => { success => \0, error => $c->req->headers
			->header('Idempotency-Key'), code => 'unavailable' },
			status => 503);
	});
	$r = $c->run(qw(call +14155550123 Hello));
	is $r->{status}, 69, 'trouble that stays: status 69';
	is scalar $fake->requests, 3, '... after three tries';
	my ($told) = $r->{err} =~ /with --idempotency-key ([0-9a-f]{32})$/m;
	like $r->{err}, qr/^ringback: \Q$told\E \(status 503, code unavail/m,
		'... and told which key was used, all the time';
	is $r->{out}, '', '... on standard error';
	$fake->stop;
};

subtest 'answers no ringback gives' => sub {
	my %answer = (
		'a page'       => [ { text => '<html>Welcome' }, 69, qr/no ringback/ ],
		'half of one'  => [ { text => '{"success":true,"messages":[{' }, 69,
			qr/no ringback/ ],
		'a way elsewhere' => [ { text => '', status => 302 }, 69, qr/302/ ],
		'no words'     => [ { text => '', status => 418 }, 1, qr/418/ ],
		'nginx at its limit' => [ { text =>
			'{"success":false,"error":"too_many_requests","requestId":"7"}',
			status => 429 }, 1, qr/too_many_requests \(status 429, requ/ ],
		'a hostile sentence' => [ { json => { error =>
			"\e[31mred\x{9b}2J\nringback: fine" }, status => 422 }, 1,
			qr/^ringback: [^\x00-\x1f\x80-\x9f]*\n\z/ ],
		'a hostile cursor' => [ { json => { success => \1, messages => [],
			next => "1\"\nurl = \"x" } }, 69, qr/strange next page/ ],
	);
	for my $what (sort keys %answer) {
		my ($answer, $status, $says) = @{ $answer{$what} };
		my ($c, $fake) = served(sub ($c, $n) {
			$c->res->headers->location('http://127.0.0.1:9/')
				if ($answer->{status} // 0) == 302;
			$c->render(%$answer);
		});
		my $r = $c->run(qw(messages --all));
		is $r->{status}, $status, $what;
		like decode('UTF-8', $r->{err}), $says, '... and why';
		is $r->{out}, '', '... and no rows';
		$fake->stop;
	}
};

subtest 'one document of many pages, each of which is needed' => sub {
	my ($c, $fake) = served(sub ($c, $n) {
		my @rows = map { { id => "$n.$_", body => "a],\"\\{ $_" } } 1, 2;
		return $c->render(json => {}, status => 404) if $n == 7;
		$c->render(json => { success => \1, next => $n % 3 ? "$n-0" : undef,
			messages => $n % 3 ? \@rows : [] });
	});
	my $json = JSON::PP->new->decode($c->run(qw(messages --all --json))
		->{out});
	is_deeply [ map { $_->{id} } @{ $json->{messages} } ],
		[qw(1.1 1.2 2.1 2.2)], 'all, and an empty one';
	is scalar split(/\n/, $c->run(qw(messages --all))->{out}), 5, 'a table';
	my @queries = map { $_->{query} } $fake->requests;
	is_deeply [ map { /cursor=([^&]*)/ ? $1 : '' } @queries ],
		[ '', '1-0', '2-0', '', '4-0', '5-0' ], 'each begins where one ended';
	my $r = $c->run(qw(messages --all));
	is $r->{status}, 2, 'the status is that of the page that failed';
	$fake->stop;

	($c, $fake) = served(sub ($c, $n) {
		my $limit = $c->param('limit');
		$c->render(json => { success => \1, next => "$n-0",
			calls => [ map { { id => $_ } } 1 .. $limit ] });
	});
	is scalar split(/\n/, $c->run(qw(calls --limit 2345))->{out}), 2346,
		'more than the server gives at once';
	is_deeply [ map { /limit=(\d+)/ } map { $_->{query} } $fake->requests ],
		[ 1000, 1000, 345 ], '... in pages';
	$fake->stop;
};

subtest 'what is asked for goes over the wire as it is' => sub {
	my ($c, $fake) = served(sub ($c, $n) {
		$c->render(json => { success => \1, calls => [], next => undef });
	});
	my $q = 'a b&c=d%2B"e\\f" é+#?';
	$c->run('calls', '--q', encode('UTF-8', $q), '--number', '+1 415');
	my ($asked) = $fake->requests;
	my $query = Mojo::Parameters->new($asked->{query});
	is $query->param('q'), $q, 'words';
	is $query->param('phoneNumber'), '+1 415', 'a number';
	$fake->stop;
};

# --- the command line ------------------------------------------------------

subtest 'wrong command lines' => sub {
	my $c = Ringback::Client->new(url => 'http://127.0.0.1:9', key => $KEY);
	for my $args ([], ['dial'], ['call'], [qw(call +1)], [qw(call +1 a b)],
		[qw(sms +1)], [qw(show)], [qw(show CA1 CA2)], [qw(calls x)],
		[qw(calls --record)], [qw(sms --record +1 x)], [qw(--what calls)],
		[qw(-x calls)], [qw(calls --limit)], [qw(calls --limit x)],
		[qw(calls --limit 0)], [qw(calls --json=yes)], [qw(calls --number=)],
		[qw(call --timeout 1m +1 x)], [qw(sms --metadata [1] +1 x)],
		[ qw(sms --metadata), '{"a":1},"to":"+2"', qw(+1 x) ],
		[ qw(sms --idempotency-key), "a\r\nX: y", qw(+1 x) ],
		[ 'show', '../calls' ], [ 'show', 'CA1?limit=1' ], [qw(show id)],
		[qw(sms +1), ''], [qw(--cacert /nowhere health)]) {
		my $r = $c->run(@$args);
		is $r->{status}, 64, "@$args" =~ s/[^ -~]/?/gr;
		isnt $r->{err}, '', '... is told';
		is $r->{out}, '', '... apart';
	}
	for my $url (qw(ftp://x phone.example.com http://phone.example.com
		http://127.0.0.1.example.com http://127.0.0.1@example.com
		http://localhost.example.com http://localhost@example.com/
		https://), "https://x\"\nkey", 'https://a b') {
		my $r = $c->run('--url', $url, 'health');
		is $r->{status}, 64, $url =~ s/\n/?/r;
	}
	is $c->run('--url', $_, 'health')->{status}, 69, $_ for
		qw(http://localhost:9 http://127.1.2.3:9 http://[::1]:9
		https://127.0.0.1:9/ringback/);
	is $c->with(in => "\n")->run(qw(sms +1 -))->{status}, 64, 'no text comes';
};

subtest 'help, version, manual page, completion: one tale' => sub {
	my $c = Ringback::Client->new;
	my $help = $c->run('--help');
	is $help->{status}, 0, '--help';
	is $c->run($_)->{out}, $help->{out}, $_ for qw(-h help);
	is_deeply [ grep { length > 79 } split /\n/, $help->{out} ], [],
		'... fits a terminal';
	my ($version) = Ringback::Client::slurp("$client/../../configure.ac")
		=~ /^AC_INIT\(\[ringback\], \[([^]]+)\]/m;
	is $c->run('--version')->{out}, "ringback $version\n", '--version';

	# By command, as help has it in its left column.
	my (%help, @of);
	for (split /\n/, $help->{out}) {
		last if /^RINGBACK_KEY/;
		my ($left, $option) = /^(\S[\w, ]*?|) *(?:  |^)(--[a-z-]+) / or
			/^(messages)  / or next;
		@of = $left eq 'any' ? qw(any) : $left eq 'messages' && @of
			? @of : split /, */, $left if $left ne '';
		@of = qw(calls messages) if "@of" eq 'calls';
		push @{ $help{$_} }, $option for defined $option ? @of : ();
	}
	push @{ $help{any} }, qw(--help --version);
	push @{ $help{transcript} }, '--segments';
	$help{$_} //= [] for qw(show health);
	my @any = @{ delete $help{any} };
	is_deeply [ sort keys %help ], [qw(call calls health messages show sms
		transcript)], 'help has options of every command';
	for my $command (sort keys %help) {
		my @mine = sort @{ $help{$command} }, @any;
		is_deeply [ sort(completion($command, '--')) ], \@mine,
			"$command: completion offers them";
		my @refused = grep { $c->run($command, $_ =~ /^--(json|record|
			dry-run|all|segments)$/x ? $_ : "$_=1")->{err} =~
			/\Q$command\E has no/ } @mine;
		is_deeply \@refused, [], '... ringback takes them';
	}
	my $page = Ringback::Client::slurp("$client/../ringback.1");
	is_deeply [ sort(uniq($page =~ /^\.It (?:Fl h , |Fl V , )?Fl -([a-z-]+)/mg,
		$page =~ /^\.It Fl -since.*Fl -(until)/m)) ], [ sort(uniq(
		map { s/^--//r } @any, map { @$_ } values %help)) ],
		'the manual page has them all';
	my @codes = $help->{out} =~ /^Exit status: (.*)/ms && $1 =~ /\b(\d+) /g;
	is_deeply \@codes, [ $page =~ /^\.It (\d+)$/mg ], 'and every status';
	SKIP: {
		skip 'mandoc is not installed', 1 if !has('mandoc');
		is `mandoc -Tlint -Wwarning $client/../ringback.1 2>&1`, '',
			'mandoc has no complaint';
	}
};

# What bash would offer for the last of these words.
sub completion (@words) {
	my $script = join ' ', 'source', "$client/../ringback.bash;",
		'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ringback;',
		'printf "%s\n" "${COMPREPLY[@]}"';
	open my $bash, '-|', 'bash', '-c', $script, 'bash', 'ringback', @words
		or die "bash: $!";
	return map { chomp; length ? $_ : () } <$bash>;
}

subtest 'completion, in bash' => sub {
	is_deeply [ completion('') ], [qw(call sms calls messages show
		transcript health)], 'commands';
	is_deeply [ completion('ca') ], [qw(call calls)], '... that begin so';
	is_deeply [ completion('--url', 'x', 'tr') ], ['transcript'],
		'... behind an option and its value';
	is_deeply [ completion('--url', '=', 'x', 'tr') ], ['transcript'],
		'... in one word';
	is_deeply [ completion(qw(--json calls --dir)) ], ['--direction'],
		'options';
	is_deeply [ completion(qw(calls --direction), '') ],
		[qw(inbound outbound)], 'values';
	is_deeply [ completion(qw(calls --direction =)) ],
		[qw(inbound outbound)], '... behind =';
	is_deeply [ completion(qw(calls --direction = i)) ], ['inbound'],
		'... begun';
	is_deeply [ completion(qw(messages --status d)) ], ['delivered'],
		"a text's status";
	is_deeply [ completion(qw(sms --from), '') ], [], 'nobody knows a number';
	is_deeply [ completion('health', '--cacert', "$client/js") ],
		["$client/json.awk"], 'files';
};

subtest 'any shell, installed anywhere' => sub {
	my ($c, $fake) = served(sub ($c, $n) {
		$c->render(json => $c->req->method eq 'POST' ? { success => \1,
			message => { sid => 'SM1', status => $c->req->json('/body') } }
			: { success => \1, next => undef, messages => [ { id => 1,
			body => "x\ny", created_at => '2026-01-31T12:00:00.5+00:00' } ] });
	});
	my @want = map { $c->run(@$_)->{out} } [qw(messages)],
		[ 'sms', '+1', "a'b\"\\\n\tc" ];
	like $want[0], qr/^2026-01-31 12:00 .* x y$/m, 'dash';
	like $want[1], qr/^SM1 a'b"\\ \tc$/m, '... quotes';
	my @shells = grep { has($_->[0]) } ['bash'], ['bash', '--posix'],
		[ 'busybox', 'sh' ], ['mksh'], ['ksh'], ['yash'];
	is_deeply [ map { $c->with(shell => $_)->run('messages')->{out},
		$c->with(shell => $_)->run('sms', '+1', "a'b\"\\\n\tc")->{out} }
		@shells ], [ (@want) x @shells ], join ', ', map { "@$_" } @shells;
	is_deeply [ map { $c->with(awk => $_)->run('messages')->{out} }
		grep { $_ ne 'original-awk' } @awks ], [ ($want[0]) x grep {
		$_ ne 'original-awk' } @awks ], 'every awk that tells the time';

	my $at = tempdir(CLEANUP => 1);
	make_path("$at/bin", "$at/share/ringback/client", "$at/elsewhere");
	copy("$client/../ringback", "$at/bin/ringback") or die $!;
	copy($_, "$at/share/ringback/client") or die $! for glob "$client/*";
	symlink "$at/bin/ringback", "$at/elsewhere/rb" or die $!;
	is $c->with(program => "$at/$_")->run('messages')->{out}, $want[0], $_
		for qw(bin/ringback elsewhere/rb);
	my ($listed) = Ringback::Client::slurp("$client/../../Makefile.am") =~
		/^dist_client_DATA = (.*?[^\\])\n/ms;
	is_deeply [ sort $listed =~ m{app/client/(\S+)}g ], [ sort map {
		m{([^/]+)$} } glob "$client/*" ], 'make install takes every part';
	$fake->stop;
	SKIP: {
		skip 'shellcheck is not installed', 1 if !has('shellcheck');
		is `cd $client/.. && shellcheck ringback client/ask.sh ringback.bash`,
			'', 'shellcheck has no complaint';
	}
};

done_testing;
