#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# The C unit tests once more, under valgrind: nothing is read before it is
# written, nothing is lost. What the sanitizers do not see, on the very
# objects that are installed.
use v5.36;
use File::Basename qw(basename dirname);
use File::Temp 'tempdir';
use FindBin;
use Test::More;

my $bin = $ENV{RINGBACK_BINDIR} // dirname($FindBin::Bin) . '/.build/default';

plan skip_all => 'valgrind is not installed'
    if !grep { -x "$_/valgrind" } split /:/, $ENV{PATH};
plan skip_all => 'a build with sanitizers, which valgrind cannot run'
    if `ldd $bin/ringback-worker` =~ /lib[at]san/;

my $dir = tempdir(CLEANUP => 1);
$ENV{T_FEW} = 1;	# of what is done a million times
my @tests = split ' ', `make -s -C $bin list-unit-tests`;
cmp_ok scalar @tests, '>', 10, 'there are unit tests';
for my $test (@tests) {
	# A child that must abort leaves a report of its own, and no core.
	my $status = system 'timeout', 120, 'sh', '-c',
	    'exec "$@" >/dev/null 2>&1', 'sh', 'valgrind', '-q',
	    '--leak-check=full', '--errors-for-leak-kinds=definite,possible',
	    '--error-exitcode=99', "--log-file=$dir/%p",
	    "$bin/$test";
	is $status, 0, basename $test;
	next if $status == 0;
	for (glob "$dir/*") {
		open my $fh, '<', $_ or next;
		diag $_ while <$fh>;
	}
}
done_testing;
