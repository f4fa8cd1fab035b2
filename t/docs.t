#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# What is written down is so: README, manual pages, units and the cron entry
# against the tables they describe, and the rules of the house against the
# code.
use v5.36;
use File::Basename qw(basename dirname);
use File::Find 'find';
use File::Path 'make_path';
use File::Temp 'tempdir';
use FindBin;
use Test::More;

my $top = dirname($FindBin::Bin);
my $bin = $ENV{RINGBACK_BINDIR} // "$top/.build/default";
chdir $top or BAIL_OUT "no $top";

sub slurp ($path) {
	open my $fh, '<', $path or BAIL_OUT "$path: $!";
	local $/;
	return <$fh> // '';
}

sub files (@dirs) {
	my @found;
	find({no_chdir => 1, wanted => sub { push @found, $_ if -f }}, @dirs);
	return sort @found;
}

sub has ($command) {
	return grep { -x "$_/$command" } split /:/, $ENV{PATH};
}

# Output of a command with no settings in its environment, and its status.
sub run (@command) {
	local %ENV = (PATH => $ENV{PATH}, LC_ALL => 'C.UTF-8');
	my $pid = open my $fh, '-|';
	defined $pid or BAIL_OUT "fork: $!";
	if ($pid == 0) {
		open STDERR, '>&', \*STDOUT;
		exec @command or exit 127;
	}
	my $out = do { local $/; <$fh> // '' };
	close $fh;
	return ($out, $? >> 8);
}

my @settings = slurp('lib/base/cfg.def') =~
    /^CFG\(\w+,\s*\w+,\s*"([A-Z][A-Z_]*)"/mg;
# What the client takes from its environment, beside the settings.
my @variables = slurp('app/ringback.1') =~ /^\.It Ev (\S+)$/mg;
my $readme = slurp 'README';
my $makefile = slurp('Makefile.am') =~ s/\\\n\s*/ /gr;

sub listed ($variable) {
	return $makefile =~ /^\Q$variable\E = (.*)/m ? split ' ', $1 : ();
}

subtest README => sub {
	my @lines = split /\n/, $readme, -1;
	cmp_ok scalar @lines, '<=', 200, 'at most 200 lines';
	is_deeply [grep { length > 78 } @lines], [], '… of 78 columns';
	is_deeply [grep { /[^ -~]/ } @lines], [], '… of plain text';
	my %there = map { basename($_) =~ s/\.in$//r => 1 }
	    files(qw(app lib nginx schema t));
	$there{$_} = 1 for listed('sbin_PROGRAMS');
	is_deeply [grep { !$there{+basename $_} && !-d basename $_ }
	    $readme =~ m{(?:/usr/local|\$PWD)/([\w./@-]+)}g], [],
	    'what it says is installed is in the tree';
	is_deeply [grep { !-e }
	    $readme =~ m{(?<![\w/.])((?:app|t)/[a-z]\w*(?:\.\w+)?)}g], [],
	    'what it runs from the tree is there';
};

subtest settings => sub {
	cmp_ok scalar @settings, '>', 20, 'cfg.def is read';
	my @items = slurp('app/ringback.5') =~ /^\.It Ev (\S+)$/mg;
	is_deeply [sort @items], [sort @settings],
	    'ringback(5) has every one, once, and no other';
	my ($sample) = run("$bin/ringback-admin", 'config', '--sample');
	is_deeply [$sample =~ /^#?([A-Z_]+)=/mg], \@settings,
	    'so has the sample';
	like $readme, qr/ringback-admin config --sample/,
	    'which README speaks of';
	my %known = map { $_ => 1 } @settings, @variables;
	is_deeply [grep { /_/ && !$known{$_} }
	    $readme =~ /\b((?:TWILIO|OPENAI|LLM|TRANSCRIBE|VOICE|SMS|SWEEP|SEND|
	    RINGBACK|WEBHOOK|DATABASE)_[A-Z_]+)\b/xg], [],
	    'README names no other';
};

# "Default:" in the page against cfg.def.
subtest defaults => sub {
	my %page = slurp('app/ringback.5') =~
	    /^\.It Ev (\S+)\n(.*?)(?=^\.It|^\.El)/msg;
	my $def = slurp('lib/base/cfg.def') =~ s{/\*.*?\*/}{}gsr;
	my $checked = 0;
	while ($def =~ /^CFG\(\w+,\s*\w+,\s*"([A-Z_]+)",\s*[^,]+,\s*[^,]+,\s*
	    "([^"]+)"/mxg) {
		my ($name, $default) = ($1, $2);
		like $page{$name} =~ s/\n/ /gr, qr/\Q$default\E/, $name;
		$checked++;
	}
	cmp_ok $checked, '>', 10, 'cfg.def is read';
};

subtest 'the sample is accepted' => sub {
	my %given = (TWILIO_ACCOUNT_SID => 'AC' . '0' x 32,
	    TWILIO_AUTH_TOKEN => 'secret', OPENAI_API_KEY => 'sk-x',
	    WEBHOOK_BASE_URL => 'https://phone.example.com',
	    DATABASE_URL => 'postgresql:///ringback');
	my ($sample, $status) = run("$bin/ringback-admin", 'config',
	    '--sample');
	is $status, 0, 'it is printed';
	my $file = tempdir(CLEANUP => 1) . '/.env';
	my $write = sub ($text) {
		umask 077;
		open my $fh, '>', $file or BAIL_OUT "$file: $!";
		print $fh $text;
		close $fh or BAIL_OUT "$file: $!";
	};
	my $filled = $sample =~ s/^#(?=[A-Z_]+=)//mgr
	    =~ s/^([A-Z_]+)=$/"$1=" . ($given{$1} \/\/ '')/megr;
	$write->($filled);
	for my $program (qw(hooks api sweep)) {
		is_deeply [run("$bin/ringback-admin", '-f', $file, 'config',
		    '--check', $program)], ['', 0], "by $program";
	}
	$write->($sample);
	is +(run("$bin/ringback-admin", '-f', $file, 'config', '--check',
	    'hooks'))[1], 78, 'but not as it comes';
};

subtest 'every path is written down' => sub {
	my @paths = slurp('app/routes.def') =~
	    /^ROUTE\(\w+,\s*\w+,\s*"([^"]+)"/mg;
	cmp_ok scalar @paths, '>', 5, 'routes.def is read';
	push @paths, slurp('lib/domain/event.c') =~ m/\{ "(\/[^"]+)", "\//g;
	my $page = slurp 'app/ringback-worker.8';
	for my $path (@paths) {
		ok +(grep { /\Q$path\E(?![\w{\/-])/ } $readme, $page), $path;
	}
};

subtest 'manual pages' => sub {
	my @pages = listed('dist_man_MANS');
	for my $program (listed('sbin_PROGRAMS')) {
		my ($page) = grep { /\/\Q$program\E\.8$/ } @pages;
		ok defined $page, "$program has one" or next;
		my ($usage, $status) = run("$bin/$program", '--help');
		is $status, 0, '… and usage';
		my $text = slurp $page;
		is_deeply [grep { $text !~ /\bFl -\Q$_\E\b/ }
		    $usage =~ /--([a-z-]+)/g], [], '… with the same options';
	}
	SKIP: {
		skip 'mandoc is not installed', 1 if !has('mandoc');
		is +(run('mandoc', '-Tlint', '-Wwarning', @pages))[0], '',
		    'mandoc has no complaint';
	}
};

subtest cron => sub {
	my ($file, @others) = map { s/\.in$//r } files('app/cron.d');
	is_deeply \@others, [], 'one file';
	like basename($file), qr/^[A-Za-z0-9_-]+$/,
	    'cron reads no file with a dot in its name';
	my $text = slurp "$file.in";
	like $text, qr/\n\z/, 'cron wants a newline at the end';
	my @jobs = grep { !/^\s*(#|$|\w+=)/ } split /\n/, $text;
	cmp_ok scalar @jobs, '>=', 1, 'it has a job';
	my @users = slurp('app/sysusers.d/ringback.conf.in') =~ /^u (\S+)/mg;
	for (@jobs) {
		my ($user, $program, $rest) = /^(?:[\d*\/,-]+\s+){5}(\S+)\s+
		    \@SBINDIR\@\/(\S+)(.*)/x;
		ok defined $user, 'five fields, a user, a program' or next;
		ok +(grep { $_ eq $user } @users), "$user is made at set-up";
		ok +(grep { $_ eq $program } listed('sbin_PROGRAMS')),
		    "$program is installed";
		unlike $_, qr/(?<!\\)%/, 'no % that cron would cut at';
		like $rest, qr/2>&1 \| logger /, 'nothing is left to mail';
	}
};

subtest units => sub {
	my @units = listed('systemdsystemunit_DATA');
	my %unit = map { basename($_) => slurp("$_.in") } @units;
	is_deeply [sort @units], [sort map { s/\.in$//r }
	    grep { /\.(service|socket|target)\.in$/ } files('app')],
	    'all are installed';
	for my $pool (qw(hooks api)) {
		my ($service, $socket) = @unit{"ringback-$pool\@.service",
		    "ringback-$pool.socket"};
		like $service, qr/^ExecStart=\S+\/ringback-worker $pool$/m,
		    "$pool: runs its pool";
		like $service, qr/^Sockets=ringback-$pool\.socket$/m,
		    '… on its socket';
		like $service, qr/^StandardInput=socket$/m, '… as libfcgi\'s';
		like $socket, qr/^Service=ringback-$pool\@1\.service$/m,
		    '… which starts it';
		my ($path) = $socket =~ /^ListenStream=(\S+)$/m;
		my $name = uc $pool;
		like $makefile, qr/\@${name}_SOCKET\[\@\]\|\Q$path\E\|/,
		    '… and nginx knows';
		like $service, qr/^LoadCredential=env:\S+\/ringback\/$pool\.env
		    $/mx, '… with its own settings';
		like $service, qr/^User=ringback-$pool\n
		    Group=ringback-$pool$/mx, '… as a user of its own';
	}
	like $unit{'ringback-hooks@.service'}, qr/^PrivateNetwork=yes$/m,
	    'hooks have no network';
	like $unit{'ringback-hooks@.service'},
	    qr/^RestrictAddressFamilies=AF_UNIX$/m, '… of any family';
	my %users = map { $_ => 1 }
	    slurp('app/sysusers.d/ringback.conf.in') =~ /^u (\S+)/mg;
	is_deeply [grep { !$users{$_} } map { /^User=(\S+)/mg } values %unit],
	    [], 'users made at set-up';
	SKIP: {
		skip 'systemd-analyze is not installed', 4
		    if !has('systemd-analyze');
		my $dir = tempdir(CLEANUP => 1);
		my %place = (SBINDIR => $bin, LIBEXECDIR => "$top/app",
		    SYSCONFDIR => '/etc');
		for my $name (keys %unit) {
			open my $fh, '>', "$dir/$name" or BAIL_OUT $!;
			print $fh $unit{$name} =~ s/\@([A-Z]+)\@/$place{$1}/gr;
			close $fh or BAIL_OUT $!;
		}
		is_deeply [run('systemd-analyze', 'verify', '--man=no',
		    map { "$dir/$_" } sort keys %unit)], ['', 0],
		    'systemd understands them';
		my %exposure = ('ringback-hooks@.service' => 5,
		    'ringback-api@.service' => 13,
		    'ringback-speech.service' => 13);
		for (sort keys %exposure) {
			is +(run('systemd-analyze', 'security', '--no-pager',
			    '--offline=yes', "--threshold=$exposure{$_}",
			    "$dir/$_"))[1], 0, "$_ is confined";
		}
	}
};

# Under a root of their own.
subtest 'users and places' => sub {
	plan skip_all => 'only root makes users' if $> != 0;
	plan skip_all => 'systemd-sysusers and -tmpfiles are not installed'
	    if !has('systemd-sysusers') || !has('systemd-tmpfiles');
	my $root = tempdir(CLEANUP => 1);
	my $write = sub ($path, $text) {
		make_path("$root/" . dirname($path));
		open my $fh, '>', "$root/$path" or BAIL_OUT "$path: $!";
		print $fh $text;
		close $fh or BAIL_OUT "$path: $!";
	};
	$write->('etc/passwd', "root:x:0:0::/:/bin/sh\n"
	    . "www-data:x:33:33::/:/bin/sh\n");
	$write->('etc/group', "root:x:0:\nwww-data:x:33:\n");
	for my $kind (qw(sysusers tmpfiles)) {
		$write->("usr/lib/$kind.d/ringback.conf",
		    slurp("app/$kind.d/ringback.conf.in")
		    =~ s/\@SYSCONFDIR\@/\/etc/gr);
	}
	my ($out, $status) = run('systemd-sysusers', "--root=$root",
	    'ringback.conf');
	is $status, 0, 'the users are made' or diag $out;
	my %gid = slurp("$root/etc/group") =~ /^([^:]+):[^:]*:(\d+):/mg;
	my %uid = slurp("$root/etc/passwd") =~ /^([^:]+):[^:]*:(\d+):/mg;
	is scalar(grep { /^ringback/ } keys %uid), 4, '… four of them';
	$write->("etc/ringback/$_", '')
	    for qw(.env hooks.env api.env sweep.env);
	($out, $status) = run('systemd-tmpfiles', '--create',
	    "--root=$root", 'ringback.conf');
	is_deeply [$out, $status], ['', 0], 'so are their places';
	my %place = (
		'run/ringback/metrics' => [0660, 'root', 'ringback-spool'],
		'var/lib/ringback/spool' => [02770, 'root', 'ringback-spool'],
		'var/lib/ringback/fallback' => [02370, 'www-data',
		    'ringback-sweep'],
		'etc/ringback/.env' => [0640, 'root', 'ringback'],
		map { ("etc/ringback/$_.env" => [0640, 'root', "ringback-$_"])
		    } qw(hooks api sweep),
	);
	for my $path (sort keys %place) {
		my @stat = stat "$root/$path";
		my ($mode, $user, $group) = @{ $place{$path} };
		is_deeply [$stat[2] & 07777, $stat[5]], [$mode, $gid{$group}],
		    $path;
		is $stat[4], $uid{$user}, "… of $user";
	}
};

# --- the rules of the house ------------------------------------------------

my @floors = qw(base format edge domain app);
my %height = map { $floors[$_] => $_ } 0 .. $#floors;

# The include lines of a file that go to a higher floor, or nowhere.
sub goes_up ($file, $text) {
	my ($own) = $file =~ m{^(?:lib/)?(\w+)/} or return $file;
	return grep {
		my ($floor) = m{^(\w+)/};
		$floor //= 'app';
		!defined $height{$floor} || $height{$floor} > $height{$own}
		    || !-f ($floor eq 'app' ? "app/$_" : "lib/$_");
	} $text =~ /^[ \t]*#[ \t]*include[ \t]+"([^"]+)"/mg;
}

my @code = grep { /\.(c|h|def)$/ } files(qw(app lib));

subtest 'no include goes up a floor' => sub {
	is_deeply [goes_up('lib/base/x.c', qq(#include "edge/db.h"\n))],
	    ['edge/db.h'], 'one that does is seen';
	is_deeply [goes_up('lib/edge/x.c', qq(# include "app.h"\n))],
	    ['app.h'], '… and one to the roof';
	for my $file (@code) {
		is_deeply [goes_up($file, slurp $file)], [], $file;
	}
};

# Statements in string literals, comments left out. What a connection sets
# for itself (db.c) is none of them.
sub sql_in ($text) {
	$text =~ s{/\*.*?\*/|//[^\n]*}{}gs;
	$text =~ s/"\s*"//g;
	return grep { /\bselect\b.+\bfrom\b|\binsert\s+into\b|
	    \bupdate\s+\w+\s+set\b|\bdelete\s+from\b|
	    \b(?:create|alter|drop|truncate)\s+(?:table|index)\b/xis }
	    $text =~ /"((?:[^"\\]|\\.)*)"/g;
}

subtest 'SQL is in sql.def' => sub {
	is scalar(sql_in('f("select a"' . "\n\t" . '" from b");')), 1,
	    'a statement elsewhere is seen';
	for my $file (@code) {
		if ($file =~ m{^lib/domain/sql\w*\.def$}) {
			isnt scalar(sql_in(slurp $file)), 0, "$file has it";
		} else {
			is_deeply [sql_in(slurp $file)], [], $file;
		}
	}
};

# A header of its own, or one beside it that the opening comment names.
subtest 'every module of the library has its header' => sub {
	for my $file (grep { m{^lib/.*\.c$} } @code) {
		my $named = slurp($file) =~ m{\A((?:\s*/\*.*?\*/)+)}s
		    ? $1 : '';
		ok -f $file =~ s/c$/h/r || (grep { -f dirname($file) . "/$_" }
		    $named =~ /\b(\w+\.h)\b/g), $file;
	}
};

subtest 'a file fits a sitting' => sub {
	for my $file (files(qw(app lib))) {
		cmp_ok scalar(split /\n/, slurp($file), -1), '<=', 451, $file;
	}
};

done_testing;
