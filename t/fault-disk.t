# SPDX-License-Identifier: ISC
# The database is away and the disk is full, read-only, or fails: what was set
# aside beforehand is used, what cannot be kept is not said to be, and callers
# hear what they always hear.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Ringback::Figure qw(figure long);
use Ringback::Test;
use Ringback::Trouble qw(crash_database start_database workers no_strace
	traced);

plan skip_all => 'mounting takes root' if $>;
my $slots = long() ? 4096 : 200;
my $t = Ringback::Test->new(env => { SPOOL_RESERVE => $slots });
my $spool = $t->dir . '/spool';

# A small disk of the spool's own, and workers that begin on it.
my @owner = (stat $spool)[4, 5];
my $kb = $slots * 16 + 512;
plan skip_all => 'mount does not work here' if system qw(mount -t tmpfs -o),
	"size=${kb}k,mode=2770,uid=$owner[0],gid=$owner[1]", 'tmpfs', $spool;
END { local $?; system "umount -l $spool 2>/dev/null" }
my %old = map { $_ => 1 } workers($t);
kill 'KILL', keys %old;
$t->wait_for('workers on it', sub {
	my @new = workers($t);
	return @new == 2 && !grep({ $old{$_} } @new) && -e "$spool/reserve";
});
is -s "$spool/reserve", $slots * 16384, 'room is set aside beforehand';
is +(stat _)[2] & 07777, 0660, 'for nobody but the sweep to use';

sub fill_disk () {
	open my $fh, '>', "$spool/full" or die $!;
	while (syswrite $fh, 'x' x 4096) { }
	close $fh;
	return;
}
sub files () { return scalar(my @new = glob "$spool/new/*") }
sub nowhere () {
	return $t->request(GET => '/metrics')->body =~
		/kept="nowhere"\} (\d+)/ ? $1 : die 'no such counter';
}
sub status_of ($text, $status) {
	return $t->post_signed('/api/twilio/status', { %$text, MessageStatus =>
		$status })->status;
}

crash_database($t);
fill_disk();
my (@kept, %large);
subtest 'a full disk: what is set aside is used' => sub {
	my %text = $t->text;
	is $t->post_signed('/api/twilio/sms', \%text)->status, 200, 'a text';
	# More than one slot holds.
	%large = $t->text(Body => "\x{1f44d}" x 4000);
	is $t->post_signed('/api/twilio/sms', \%large)->status, 200,
		'a large one';
	push @kept, \%text, \%large;
	is files(), 0, 'no file could be written';
	my $refused = 0;
	for (1 .. $slots) {
		my %text = $t->text(MessageStatus => 'sent');
		my $status = $t->post_signed('/api/twilio/status',
			\%text)->status;
		push @kept, \%text if $status == 204;
		$refused++ if $status == 503;
	}
	figure('kept with a full disk', scalar @kept, '>=', $slots - 4);
	is @kept + $refused, $slots + 2, 'the others are to come again: 503';
	cmp_ok $refused, '>', 0, 'for it is full';
};

subtest 'and when that is full, too' => sub {
	my $before = nowhere();
	my %call = $t->call;
	my $answer = $t->post_signed('/api/twilio/voice', \%call);
	is $answer->status, 200, 'a caller is answered';
	like $answer->body, qr/<Record /, 'and can leave a message';
	is $t->post_signed('/api/twilio/recording-status',
		{ $t->recording($call{CallSid}) })->status, 503,
		'a callback is to come again';
	cmp_ok nowhere(), '>=', $before + 2, 'and the counter tells';
	push @kept, \%call;	# by nginx
};

subtest 'all of it is stored afterwards' => sub {
	start_database($t);
	my @kept_by_nginx = glob $t->dir . '/fallback/*';
	utime time - 60, time - 60, @kept_by_nginx;
	my ($status, $out) = $t->sweep('--limit', 0);
	is $status, 0, 'the next pass ends well';
	like $out, qr/ @{[ scalar @kept ]} events replayed/, 'with everything';
	my @sids = map { $_->{CallSid} // $_->{MessageSid} } @kept;
	figure('acknowledged but lost', @kept - $t->sql('select count(distinct
		sid) from webhook_events where sid = any(?)', \@sids), '==', 0);
	figure('stored twice', $t->sql('select count(*) - count(distinct sid)
		from webhook_events where sid = any(?)', \@sids), '==', 0);
	is $t->sql('select body from twilio_sms where message_sid = ?',
		$large{MessageSid}), $large{Body}, 'the large one whole';
	like +($t->sweep('--limit', 0))[1], qr/ 0 events replayed/, 'once';
};

subtest 'the room is free again' => sub {
	crash_database($t);
	my @texts = map { { $t->text } } 1 .. 3;
	is $t->post_signed('/api/twilio/sms', $_)->status, 200, 'kept'
		for @texts;
	start_database($t);
	like +($t->sweep('--limit', 0))[1], qr/ 3 events replayed/, 'stored';
	unlink "$spool/full";
};

subtest 'a disk that turned read-only keeps nothing and says so' => sub {
	crash_database($t);
	system('mount', '-o', 'remount,ro', $spool) == 0 or die 'remount';
	my %text = $t->text;
	is status_of(\%text, 'sent'), 503, 'a callback is to come again';
	my $answer = $t->post_signed('/api/twilio/voice', { $t->call });
	is $answer->status, 200, 'a caller is answered';
	like $answer->body, qr/<Record /, 'as always';
	system('mount', '-o', 'remount,rw', $spool) == 0 or die 'remount';
	is status_of(\%text, 'sent'), 204, 'until it is well again';
};

subtest 'an fsync that failed is never tried again on that file' => sub {
	plan skip_all => 'strace does not work here' if no_strace();
	my $trace = $t->dir . '/run/trace';
	my $before = files();
	my %text = $t->text;
	# One worker is at it; the other has nothing to do.
	traced($t, sub {
		is status_of(\%text, 'sent'), 204, 'a new file is: kept';
	}, '-o', $trace, qw(-e trace=fsync -e inject=fsync:error=EIO:when=1));
	my @files = Ringback::Test::slurp($trace) =~ m{fsync\(\d+<([^>]+)>}g;
	my %times;
	$times{$_}++ for grep { m{^\Q$spool\E/tmp/} } @files;
	is_deeply [ values %times ], [ 1, 1 ], 'two files, each synced once';
	is files(), $before + 1, 'one of which is left';
	traced($t, sub {
		is status_of(\%text, 'delivered'), 503,
			'a second failure is the end of it';
	}, '-o', $trace, '-e', 'trace=fsync,fdatasync',
		'-e', 'inject=fsync,fdatasync:error=EIO');
	is files(), $before + 1, 'and leaves nothing';
	is scalar(my @tmp = glob "$spool/tmp/*"), 0, 'not even half of it';
	start_database($t);
	utime time - 60, time - 60, glob $t->dir . '/fallback/*';
	is +($t->sweep('--limit', 0))[0], 0, 'a pass';
	is $t->sql('select status from twilio_sms where message_sid = ?',
		$text{MessageSid}), 'sent', 'what was acknowledged is here';
};

system 'umount', '-l', $spool;
$t->done;
