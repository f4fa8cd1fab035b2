# SPDX-License-Identifier: ISC
# Ringback::Client: app/ringback as an administrator runs it, with a home of
# its own, the shell and the awk that Debian has, and no variable of ours.
#
#	my $c = Ringback::Client->new(url => $t->base, key => $key,
#		cacert => $t->dir . '/tls/cert.pem');
#	my $r = $c->run(qw(messages --limit 2));
#	is $r->{status}, 0;		# also out, err
#	$c->with(in => "text\n")->run(qw(sms +14155550123 -));
#	$c->with(columns => 80)->run('calls');		# on a terminal
#
# with() makes another of the same home: in, columns, shell (a list), awk, env
# (a hash; undef removes), url, key. start() and end() are the halves of run().
package Ringback::Client;
use v5.36;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use POSIX ();

our $ROOT = abs_path(dirname(__FILE__) . '/../../..');
our $PROGRAM = "$ROOT/app/ringback";

sub new ($class, %o) {
	return bless({ shell => ['dash'], awk => 'mawk', home => tempdir(
		CLEANUP => 1), env => {}, program => $PROGRAM }, $class)->with(%o);
}

sub with ($self, %o) {
	my $new = bless { %$self, %o, env => { %{ $self->{env} },
		%{ $o{env} // {} } } }, ref $self;
	$new->keep_key($o{key}) if exists $o{key};
	return $new;
}

sub home ($self) { return $self->{home} }
sub key_file ($self) { return "$self->{home}/.config/ringback/key" }

sub keep_key ($self, $key) {
	make_path(dirname($self->key_file));
	unlink $self->key_file;
	return if !defined $key;
	open my $fh, '>', $self->key_file or die $self->key_file . ": $!";
	chmod 0600, $self->key_file;
	print {$fh} "$key\n";
	close $fh;
	return;
}

# A directory for PATH in which awk is the one that is wanted.
sub tools ($self) {
	my $dir = "$self->{home}/bin-$self->{awk}";
	return $dir if -d $dir;
	my ($path) = grep { -x } map { "$_/" . $self->{awk} }
		split /:/, $ENV{PATH};
	die "there is no $self->{awk}" if !defined $path;
	make_path($dir);
	symlink $path, "$dir/awk" or die "$dir/awk: $!";
	return $dir;
}

sub environment ($self) {
	my %env = (HOME => $self->{home}, USER => 'me', LANG => 'C.UTF-8',
		TZ => 'UTC', PATH => $self->tools . ":$ENV{PATH}",
		RINGBACK_URL => $self->{url}, RINGBACK_CACERT => $self->{cacert},
		%{ $self->{env} });
	return map { $_ => $env{$_} } grep { defined $env{$_} } keys %env;
}

sub quoted ($word) { return q(') . $word =~ s/'/'\\''/gr . q(') }

sub start ($self, @args) {
	my $dir = tempdir(CLEANUP => 1);
	my @command = (@{ $self->{shell} }, $self->{program}, @args);
	@command = ('script', '-qec', "stty cols $self->{columns}; exec "
		. join(' ', map { quoted($_) } @command), '/dev/null')
		if $self->{columns};
	open my $in, '>', "$dir/in" or die "$dir/in: $!";
	print {$in} $self->{in} // '';
	close $in;
	my %env = $self->environment;
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		%ENV = %env;
		chdir $self->{home};
		open STDIN,  '<', "$dir/in";
		open STDOUT, '>', "$dir/out";
		open STDERR, '>', "$dir/err";
		exec @command or POSIX::_exit(127);
	}
	return { %$self{env}, dir => $dir, pid => $pid };
}

sub end ($self, $started) {
	waitpid $started->{pid}, 0;
	my $status = $? & 127 ? 128 + ($? & 127) : $? >> 8;
	return { status => $status, map { $_ => slurp("$started->{dir}/$_") }
		qw(out err) };
}

sub run ($self, @args) { return $self->end($self->start(@args)) }

sub slurp ($path) {
	open my $fh, '<:raw', $path or die "$path: $!";
	local $/;
	return scalar <$fh> // '';
}

# What --help tells to type, line by line, in its order.
sub examples ($self) {
	return map { s/^ {4}//r } grep { /^ {4}\S/ }
		map { split /\n/ } $self->run('--help')->{out} =~
		/^(Begin with a key.*?)^Exit status/ms;
}

1;
