# SPDX-License-Identifier: ISC
# Ringback::Fake: an HTTP server in a process of its own whose answers a test
# writes as a function. For what a genuine server does only on a bad day;
# where the good day is tested, the genuine one serves.
#
#	my $fake = Ringback::Fake->new(sub ($c, $n) {
#		return $c->render(json => { error => {} }, status => 503) if $n == 1;
#		$c->render(json => { text => 'hello' });
#	});
#	is scalar $fake->requests, 2;
#
# $n counts the requests to this fake from 1. requests() gives what came in,
# oldest first: method, path, query, type, authorization, body (form and
# multipart as a hash of names; a file as its size). tls => [ certificate,
# key ] makes it an HTTPS server.
package Ringback::Fake;
use v5.36;

use Mojo::IOLoop;
use Mojo::Server::Daemon;
use Mojo::UserAgent;
use Mojolicious;
use POSIX ();

sub new ($class, $handler, %o) {
	pipe my $read, my $write or die "pipe: $!";
	my $parent = $$;
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		close $read;
		serve($handler, $write, $parent, %o);
		POSIX::_exit(0);
	}
	close $write;
	chomp(my $port = <$read> // die 'the fake did not start');
	return bless { %o, pid => $pid, port => $port }, $class;
}

sub serve ($handler, $tell, $parent, %o) {
	my $app = Mojolicious->new(secrets => ['fake']);
	my (@journal, $n);
	$app->log->level('fatal');
	$app->max_request_size(512 * 1024 * 1024);
	$app->routes->get('/_requests' => sub ($c) {
		$c->render(json => \@journal);
	});
	$app->routes->any('/*all' => sub ($c) {
		push @journal, seen($c->req);
		$handler->($c, ++$n);
	});
	my $daemon = Mojo::Server::Daemon->new(app => $app, silent => 1,
		inactivity_timeout => 300, listen => [ $o{tls} ?
		sprintf 'https://127.0.0.1?cert=%s&key=%s', @{ $o{tls} } :
		'http://127.0.0.1' ]);
	$daemon->start;
	syswrite $tell, $daemon->ports->[0] . "\n";
	close $tell;
	local $SIG{TERM} = sub { POSIX::_exit(0) };
	# A test that was killed leaves nobody behind, holding its output.
	Mojo::IOLoop->recurring(1 => sub ($loop) {
		POSIX::_exit(0) if getppid != $parent;
	});
	$daemon->run;
	return;
}

sub seen ($req) {
	my %form;
	for my $part (@{ $req->content->is_multipart
		? $req->content->parts : [] }) {
		my $how = $part->headers->content_disposition // '';
		my ($name) = $how =~ /name="([^"]*)"/ or next;
		$form{$name} = $how =~ /filename="([^"]*)"/ ? {
			filename => $1, bytes => $part->asset->size,
			type => $part->headers->content_type,
		} : $part->asset->slurp;
	}
	return {
		method => $req->method,
		path   => $req->url->path->to_string,
		query  => $req->url->query->to_string,
		type   => $req->headers->content_type,
		authorization => $req->headers->authorization,
		form   => \%form,
		body   => $req->content->is_multipart ? undef : $req->text,
	};
}

sub url ($self) {
	return ($self->{tls} ? 'https' : 'http') . "://127.0.0.1:$self->{port}";
}

sub requests ($self, $like = qr/./) {
	my $all = Mojo::UserAgent->new(insecure => 1)
		->get($self->url . '/_requests')->res->json;
	return grep { "$_->{method} $_->{path}" =~ $like } @{ $all // [] };
}

sub stop ($self) {
	return unless my $pid = delete $self->{pid};
	kill 'TERM', $pid;
	waitpid $pid, 0;
	return;
}

1;
