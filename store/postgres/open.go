package postgres

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// What PostgreSQL refuses with, of https://www.postgresql.org/docs/current/errcodes-appendix.html.
const (
	wrongPassword    = "28P01"
	notAllowed       = "28000"
	noSuchDatabase   = "3D000"
	tooManyClients   = "53300"
	notYet           = "57P03"
	mayNotMakeTables = "42501"
	onlyToBeRead     = "25006"
)

// cannotOpen says to the operator, in one line, why a database cannot be used, and what to do about it.
func (s *Store) cannotOpen(config *pgx.ConnConfig, err error) error {
	return fmt.Errorf("%s%s", s.name, whyNot(config, err))
}

// whyNot goes by what a server answered before what kept others from being reached: with TLS and without, a host may have been tried twice.
func whyNot(config *pgx.ConnConfig, err error) string {
	if name, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Sprintf(": the certificate of who answers there is not for %s; give --db a host that it is for (%v)", name.Host, name)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Sprintf(": the certificate of who answers there is not to be trusted; if it should be, name the file of the authority that issued it, "+
			"with sslrootcert=FILE in --db (%s)", oneLine(err))
	}
	why := oneLine(err)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		why = refused(config, e)
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); !ok {
		return ": " + why
	}
	return " cannot be reached: " + unreached(err, why)
}

// refused says why PostgreSQL refuses somebody.
func refused(config *pgx.ConnConfig, e *pgconn.PgError) string {
	switch e.Code {
	case wrongPassword:
		if config.Password == "" {
			return fmt.Sprintf("user %q needs a password; give it in --db (postgres://user:password@host/database), in PGPASSWORD or in ~/.pgpass", config.User)
		}
		return fmt.Sprintf("the password of user %q is wrong, or there is no such user", config.User)
	case noSuchDatabase:
		return fmt.Sprintf("there is no database %q; make it with CREATE DATABASE, or name another in --db", config.Database)
	case notAllowed:
		if strings.HasSuffix(e.Message, "no encryption") {
			return e.Message + "; say sslmode=require in --db if it takes TLS, or let it in with a line in pg_hba.conf"
		}
		return e.Message + "; see the rights of the user, and its line in pg_hba.conf"
	case tooManyClients:
		return fmt.Sprintf("%s; raise max_connections there, each server of ours takes %d", e.Message, readsMost+writesMost)
	case notYet:
		return e.Message + "; try again when it is up"
	case mayNotMakeTables:
		return fmt.Sprintf("%s; give user %q a schema of its own: CREATE SCHEMA farebox AUTHORIZATION the_user, and ALTER ROLE the_user SET search_path = farebox", e.Message, config.User)
	case onlyToBeRead:
		return e.Message + "; is it a replica? Name the server that takes writes"
	}
	return oneLine(e)
}

// unreached says why nobody answers who could refuse anything; otherwise it is why.
func unreached(err error, why string) string {
	if _, ok := errors.AsType[*pgconn.PgError](err); ok {
		return why
	}
	if strings.Contains(why, "server refused TLS connection") { // the driver has no name for it
		return "it speaks no TLS, which sslmode in --db asks for; set ssl = on there, or say sslmode=disable where nobody can listen in"
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		return fmt.Sprintf("there is no host %q; is it spelled right in --db?", e.Name)
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() || pgconn.Timeout(err) {
		return "it does not answer; is it running, and does a firewall let this host through? (" + why + ")"
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "nobody listens there; is it running, and are host and port right?"
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "there is no such socket; is it running here? If not, name its host in --db (" + why + ")"
	}
	return "is it running? (" + why + ")"
}

// oneLine says what the driver says, which may be a line for each host that was tried, with TLS and without.
func oneLine(err error) string {
	if e, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = e.Unwrap()
	}
	lines := strings.Split(err.Error(), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(slices.Compact(lines), "; ")
}
