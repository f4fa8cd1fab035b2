#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# What the compiler and the linker are asked to do against exploits they have
# done: looked up in the programs that were built, not in how.
use v5.36;
use File::Basename 'dirname';
use FindBin;
use Test::More;

my $top = dirname($FindBin::Bin);
my $bin = $ENV{RINGBACK_BINDIR} // "$top/.build/default";
my @programs = qw(ringback-worker ringback-sweep ringback-admin);

for my $tool (qw(readelf objdump nm ldd)) {
	plan skip_all => "$tool is not installed"
	    if !grep { -x "$_/$tool" } split /:/, $ENV{PATH};
}

sub slurp ($path) {
	open my $fh, '<', $path or BAIL_OUT "$path: $!";
	local $/;
	return <$fh> // '';
}

sub output (@command) {
	local $ENV{LC_ALL} = 'C';
	open my $fh, '-|', @command or BAIL_OUT "@command: $!";
	my $out = do { local $/; <$fh> // '' };
	close $fh or BAIL_OUT "@command: status $?";
	return $out;
}

# Does configure say that the compiler takes it?
my $config = slurp "$bin/config.log";
sub has ($what) { return $config =~ /^rb_cv_\Q$what\E=(?:yes|3)$/m }

my %ldd = map { $_ => output('ldd', "$bin/$_") } @programs;
my %uses = map { $_ => { map { s/@.*//r => 1 }
    output('nm', '-D', '-u', "$bin/$_") =~ /\bU (\S+)/g } } @programs;
my $watched = grep { /lib[atu]b?san/ } values %ldd;
my $counted = slurp("$bin/Makefile") =~ /^RB_CFLAGS = .*--coverage/m;
my @archive = output('nm', "$bin/libringback.a") =~ /^(\w+\.o):$/mg;

subtest 'no address is known beforehand, none can be redirected' => sub {
	for (@programs) {
		my $elf = output('readelf', '-hldW', "$bin/$_");
		like $elf, qr/Type:\s+DYN \(Position-Independent/, "$_: PIE";
		like $elf, qr/^\s+GNU_RELRO/m, "$_: RELRO";
		like $elf, qr/\(FLAGS\).*BIND_NOW/, '… in full';
		unlike $elf, qr/\((?:RPATH|RUNPATH)\)/,
		    "$_: libraries are where the system says";
		unlike $elf, qr/\(TEXTREL\)/, "$_: code is not patched";
	}
};

subtest 'nothing that can be written can be run' => sub {
	for (@programs) {
		my @flags = output('readelf', '-lW', "$bin/$_") =~
		    /^\s+(?:LOAD|GNU_STACK)\s+(?:0x\w+\s+){5}([RWE ]{3})/mg;
		cmp_ok scalar @flags, '>', 3, "$_: its segments";
		is_deeply [ grep { /W/ && /E/ } @flags ], [], '… are one or '
		    . 'the other';
		like output('readelf', '-lW', "$bin/$_"),
		    qr/^\s+GNU_STACK\s+(?:0x\w+\s+){5}RW /m, '… the stack, too';
	}
};

subtest 'overruns are noticed' => sub {
	ok $uses{$_}{__stack_chk_fail}, "$_: of the stack" for @programs;
	SKIP: {
		skip 'a build with sanitizers, or without optimisation', 5
		    if $watched || $counted;
		my ($level) = slurp("$bin/Makefile") =~
		    /^RB_CPPFLAGS = .*-D_FORTIFY_SOURCE=(\d)/m;
		is $level, has('fortify') ? 3 : 2, 'FORTIFY_SOURCE as high '
		    . 'as there is';
		my @calls = output('objdump', '-d', '--no-show-raw-insn',
		    "$bin/ringback-worker") =~ /call.*<__mem\w+_chk/g;
		cmp_ok scalar @calls, '>', 3, 'copies are watched';
		ok $uses{$_}{__vsnprintf_chk}, "$_: so is what is printed"
		    for @programs;
	}
};

subtest 'what must not be called is not' => sub {
	my @banned = slurp("$top/lib/base/banned.h") =~
	    /^#pragma GCC poison (.*)/mg;
	@banned = map { split ' ' } @banned;
	cmp_ok scalar @banned, '>', 10, 'banned.h is read';
	for my $program (@programs) {
		is_deeply [ grep { $uses{$program}{$_} ||
		    $uses{$program}{"__${_}_chk"} } @banned,
		    qw(system popen execlp execvp tmpnam mktemp) ], [],
		    $program;
	}
};

# Debian's own start files have no mark, and so no program has one; what is
# ours is ready for the day they do.
subtest 'jumps land where they may, returns go where they came from' => sub {
	plan skip_all => 'only processors of x86 have it'
	    if output('uname', '-m') !~ /^x86_64/;
	plan skip_all => 'the compiler does not have it'
	    if !has('flag__fcf_protection');
	my $notes = output('readelf', '-nW', "$bin/libringback.a");
	my $marked = () = $notes =~ /x86 feature: IBT, SHSTK/g;
	cmp_ok scalar @archive, '>', 30, 'the library has its objects';
	is $marked, scalar @archive, '… and all are marked';
	for (@programs) {
		my $code = output('objdump', '-d', '--no-show-raw-insn',
		    '--disassemble=main', "$bin/$_");
		like $code, qr/<main>:\n\s*\w+:\s+endbr64/, "$_: main";
	}
};

subtest 'no XML is read, so none can ask for a file' => sub {
	unlike $ldd{$_}, qr/libxml2|expat|xerces|libxslt/, $_ for @programs;
};

# Comparing what is secret takes the same time whatever it is; what else is
# compared in these files is known to everybody.
subtest 'secrets are not compared byte by byte' => sub {
	my %known = (
		'lib/format/sign.c' => [ 'strncasecmp(url, "https:",',
		    'strncasecmp(p, escapes[i].escaped,',
		    'strcmp(url, base)' ],	# spellings of it
		'lib/domain/key.c' => [ 'memcmp(scope_words[i].word, p,',
		    'strncasecmp(header, scheme,' ],	# "Bearer"
		'lib/domain/account.c' => [ 'strcmp(a->sid, sid)' ],
	);
	for my $file (sort keys %known) {
		my @found = slurp("$top/$file") =~ /(?<!CRYPTO_)\b
		    ((?:mem|b|str|strn|strcase|strncase)cmp\(
		    [^,]*,[^,)]*(?:\)|,))/xg;
		is_deeply \@found, $known{$file}, $file;
		my $object = "$bin/" . $file =~ s/c$/o/r;
		next if $file =~ /account/;
		like output('nm', '-u', $object), qr/\bCRYPTO_memcmp$/m,
		    "… which has what takes the same time";
	}
	ok $uses{'ringback-worker'}{CRYPTO_memcmp}, 'and the worker calls it';
};

done_testing;
