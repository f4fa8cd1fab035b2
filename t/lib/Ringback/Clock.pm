# SPDX-License-Identifier: ISC
# Ringback::Clock: what a program takes for the time, which a test sets while
# it runs, with libfaketime; the machine's clock goes on as it did.
#
#	plan skip_all => 'no libfaketime here' unless Ringback::Clock->there;
#	my $clock = Ringback::Clock->new($t);
#	my $pass = Ringback::Pass->start($t, $clock->env);
#	$clock->set(-86_400);		# seconds from now
#
# As when somebody sets the date: the clock that only counts on goes on, and
# files have the times they have. env(passes => 1): time passes, on all clocks.
package Ringback::Clock;
use v5.36;

sub there ($class) {
	return state $lib = (glob '/usr/lib/*/faketime/libfaketime.so.1')[0];
}

sub new ($class, $t, $seconds = 0) {
	state $count = 0;
	my $self = bless { file => $t->dir . '/run/clock-' . ++$count }, $class;
	return $self->set($seconds);
}

sub set ($self, $seconds) {
	my $file = $self->{file};
	open my $fh, '>', "$file.new" or die "$file: $!";
	printf {$fh} '%+d', $seconds;
	close $fh or die "$file: $!";
	chmod 0644, "$file.new";
	rename "$file.new", $file or die "$file: $!";
	return $self;
}

# For Ringback::Pass and Ringback::Worker.
sub env ($self, %o) {
	return {
		LD_PRELOAD => $self->there, FAKETIME_NO_CACHE => 1,
		FAKETIME_TIMESTAMP_FILE => $self->{file}, NO_FAKE_STAT => 1,
		ASAN_OPTIONS => 'verify_asan_link_order=0',
		$o{passes} ? () : (FAKETIME_DONT_FAKE_MONOTONIC => 1,
		DONT_FAKE_MONOTONIC => 1),	# its older name
	};
}

1;
