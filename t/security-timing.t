# SPDX-License-Identifier: ISC
# How long it takes to say no tells nothing of how nearly it was a yes. Counted
# in instructions, as valgrind counts them, since no clock on a busy machine is
# as exact: a wrong signature or key costs the same wherever it is wrong first.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp qw(tempdir);
use List::Util qw(max min uniq);
use Ringback::Figure qw(figure);
use Ringback::Test;

my $top = $Ringback::Test::ROOT;
my $built = $ENV{RINGBACK_BINDIR} // "$top/.build/default";
my $dir = tempdir(CLEANUP => 1);

sub cannot_count () {
	return 'valgrind is not there; t/run installs it'
		if system('command -v valgrind >/dev/null') != 0;
	return 'a build with instruments counts those too' if
		Ringback::Test::slurp("$built/t/unit/sign_probe")
		=~ /__asan_init|__gcov_/;
	return;
}
my $no = cannot_count();

# Instructions of a probe's measured(), and what it printed.
sub counted ($probe, @args) {
	my ($status, $out, $err) = Ringback::Test::run_command('valgrind', '-q',
		'--tool=callgrind', '--toggle-collect=measured',
		"--callgrind-out-file=$dir/out", "$built/t/unit/$probe", @args);
	die "$probe @args: $status: $err" if $status != 0;
	my ($n) = Ringback::Test::slurp("$dir/out")
		=~ /^(?:totals|summary): (\d+)/m;
	die "nothing was counted: $err" if !$n;
	return ($n, $out =~ s/\s+$//r);
}

subtest 'T6: a signature is wrong everywhere at the same cost' => sub {
	plan skip_all => $no if $no;
	my %n = map { $_ => (counted('sign_probe', $_))[0] } 0 .. 26;
	note join ', ', map { "$_: $n{$_}" } sort { $a <=> $b } keys %n;
	cmp_ok min(values %n), '>=', 1_000, 'all of the check is counted';
	figure('instructions that tell how much of a signature is right',
		max(values %n) - min(values %n), '==', 0);
};

subtest 'T6: so is a key, and an id that is unknown' => sub {
	plan skip_all => $no if $no;
	my (%n, %asked);
	($n{$_}, $asked{$_}) = counted('key_probe', $_)
		for 0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 47, 62, 63, 'unknown';
	note join ', ', map { "$_: $n{$_}" } sort keys %n;
	is_deeply [ uniq values %asked ], [1], 'each is one question to the '
		. 'database, no more and no less';
	my $unknown = delete $n{unknown};
	cmp_ok min(values %n), '>=', 1_000, 'all of the check is counted';
	figure('instructions that tell how much of a hash is right',
		max(values %n) - min(values %n), '==', 0);
	# To look at one value of the row that there is. An id is no secret.
	figure('instructions that tell that there is such an id',
		abs($n{0} - $unknown), '<=', 100);
};

# --- what compares ---------------------------------------------------------

# Every comparison in the files that handle secrets, but for those of these
# two kinds: of constant time, or of what everybody may know.
my %public = (
	'lib/format/sign.c' => [ 'strncasecmp(url, "https:", 6)',
		'strncasecmp(p, escapes[i].escaped, 3)', 'strcmp(url, base)',
		'text_starts(p, BODY_HASH)' ],
	'lib/domain/key.c' => [ 'memcmp(scope_words[i].word, p, n)',
		'text_starts(key, "tw_")',
		'strncasecmp(header, scheme, sizeof(scheme) - 1)' ],
	'lib/base/digest.c' => [],
);

subtest 'T6: secrets are compared in constant time, and only so' => sub {
	for my $file (sort keys %public) {
		my $text = Ringback::Test::slurp("$top/$file")
			=~ s{/\*.*?\*/}{}gsr =~ s/\s+/ /gr;
		my @calls = $text =~ /(\b(?:mem|b|str\w*)cmp\w*
			(\((?:[^()]++|(?2))*\))|\btext_starts\([^()]*\))/gx;
		@calls = grep { defined && /^\w/ } @calls;
		is_deeply [ sort @calls ], [ sort @{ $public{$file} } ],
			"$file: no comparison but these";
		next if $file =~ /digest/;
		my ($object) = grep { -e } map { "$built/$file" =~
			s/\.c$/$_/r } '.o';
		my (undef, $symbols) = Ringback::Test::run_command('nm', '-u',
			$object // '');
		like $symbols, qr/\bU CRYPTO_memcmp$/m, '… and OpenSSL\'s';
	}
};

done_testing;
