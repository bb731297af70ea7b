package main

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
)

const greeting = "hello"

func serve(ctx context.Context, a []string) error {
	id, err := spiffeid.FromString(a[0])
	if err != nil {
		return err
	}
	listener, err := spiffetls.Listen(ctx, "tcp", "127.0.0.1:0", tlsconfig.AuthorizeID(id))
	if err != nil {
		return err
	}
	defer listener.Close()
	if err := say(map[string]string{"address": listener.Addr().String()}); err != nil {
		return err
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		// The handshake is part of the first write.
		if err := greet(connection); err != nil {
			_ = say(map[string]string{"refused": err.Error()})
		} else {
			_ = say(map[string]string{"greeted": id.String()})
		}
	}
}

func greet(connection net.Conn) error {
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	_, err := connection.Write([]byte(greeting))
	return err
}

func call(ctx context.Context, a []string) error {
	id, err := spiffeid.FromString(a[1])
	if err != nil {
		return err
	}
	connection, err := spiffetls.Dial(ctx, "tcp", a[0], tlsconfig.AuthorizeID(id))
	if err != nil {
		return err
	}
	defer connection.Close()
	answer, err := io.ReadAll(connection)
	if err != nil {
		return err
	}
	if string(answer) != greeting {
		return errors.New("it closed without a word")
	}
	return say(map[string]string{"id": id.String()})
}
