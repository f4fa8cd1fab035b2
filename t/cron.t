# SPDX-License-Identifier: ISC
# The crontab line as it is installed, run by Debian's own cron with cron's
# bare environment: in a mount namespace, so that this machine's crontabs and
# settings are not touched. Cron starts jobs when a minute begins: this test
# waits for one.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Ringback::Outside qw(speech);
use Ringback::Test;

plan skip_all => 'cron and mount namespaces need root' if $> != 0;
plan skip_all => 'no cron here' unless -x '/usr/sbin/cron';
plan skip_all => 'no mount namespaces here'
	if system('unshare -m true 2>/dev/null') != 0;

my $outside = Ringback::Outside->new;
my $t = Ringback::Test->new(fakes => $outside->fakes);
my $recording = $outside->recording($t, speech(50));

# The installed file, its place filled in as make install does.
my $line = Ringback::Test::slurp("$Ringback::Test::ROOT/app/cron.d/ringback.in");
my $bin = $t->dir . '/bin';
mkdir $bin or die "$bin: $!";
system('cp', ($ENV{RINGBACK_BINDIR} // "$Ringback::Test::ROOT/.build/default")
	. '/ringback-sweep', $bin) == 0 or die 'no ringback-sweep';
# Cron grants no capability: its user has to get here on foot.
chmod 0755, $bin, $t->dir, $t->{dir};
$line =~ s/\@SBINDIR\@/$bin/g;
like $line, qr/^\* \* \* \* \* ringback-sweep /m,
	'every minute, as a user of its own';

my $dir = $t->dir;
open my $fh, '>', "$dir/crontab" or die "$dir/crontab: $!";
print {$fh} $line;
close $fh;

# sysconfdir is /usr/local/etc unless configured; /etc where packaged.
my $pid = fork // die "fork: $!";
if (!$pid) {
	exec 'unshare', '-m', '--propagation', 'private', 'sh', '-ec', <<'SH',
		for place in /etc/cron.d /var/spool/cron/crontabs /run \
		    /usr/local/etc; do
			mount -t tmpfs tmpfs $place
		done
		chmod 755 /run /usr/local/etc
		mkdir -p /usr/local/etc/ringback
		cp -p "$1/sweep.env" /usr/local/etc/ringback/sweep.env
		cp "$1/crontab" /etc/cron.d/ringback
		chmod 644 /etc/cron.d/ringback
		exec /usr/sbin/cron -f
SH
		'sh', $dir;
}
my $done = $t->wait_for('cron to run the sweep', sub {
	$t->sql('select count(*) from twilio_recordings
		where recording_sid = ? and status = ?', $recording, 'completed')
}, 90);
is $done, 1, 'cron ran the sweep, and the sweep did its work';
kill 'TERM', $pid;
waitpid $pid, 0;
is $t->sql('select count(*) from transcriptions'), 1, 'one transcript';
isnt $t->sql('select analysis from transcriptions'), undef, 'analysed';

$t->done;
