package conf

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// authority signs certificates; written are its certificate and theirs.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T, dir, name string) *authority {
	t.Helper()
	a := &authority{file: filepath.Join(dir, name+".pem")}
	a.cert, a.key = sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}, nil)
	writePEM(t, a.file, "CERTIFICATE", a.cert.Raw)
	return a
}

// sign makes a certificate; without an authority it signs itself.
func sign(t *testing.T, template *x509.Certificate, by *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<60))
	require.NoError(t, err)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, parentKey := template, key
	if by != nil {
		parent, parentKey = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert, key
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

func writeKey(t *testing.T, file string, key *ecdsa.PrivateKey) {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	writePEM(t, file, "EC PRIVATE KEY", der)
}

// serve answers TLS handshakes on a port of 127.0.0.1, which it returns.
func serve(t *testing.T, cert *x509.Certificate, key *ecdsa.PrivateKey, clients *x509.CertPool, chain ...*x509.Certificate) string {
	t.Helper()
	config := &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}},
		MinVersion:   tls.VersionTLS12,
	}
	for _, c := range chain {
		config.Certificates[0].Certificate = append(config.Certificates[0].Certificate, c.Raw)
	}
	if clients != nil {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, clients
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(5 * time.Second))
			_, _ = c.Write([]byte("ok"))
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return port
}

// greet dials the target and reads what serve sends.
func greet(t *testing.T, target *Target) error {
	t.Helper()
	config, err := target.TLS()
	require.NoError(t, err)
	require.NotNil(t, config)
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, target.Network(), target.Address(), config)
	if err != nil {
		return err
	}
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(5*time.Second)))
	_, err = c.Read(make([]byte, 2))
	return err
}

func TestTLSModes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ours, theirs := newAuthority(t, dir, "ours"), newAuthority(t, dir, "theirs")
	usage := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	byIP, byIPKey := sign(t, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: usage}, ours)
	byName, byNameKey := sign(t, &x509.Certificate{DNSNames: []string{"redis.example.com"}, ExtKeyUsage: usage}, ours)
	self, selfKey := sign(t, &x509.Certificate{DNSNames: []string{"x"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, nil)
	between := &authority{}
	between.cert, between.key = sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "between"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, ours)
	below, belowKey := sign(t, &x509.Certificate{DNSNames: []string{"redis.example.com"}, ExtKeyUsage: usage}, between)
	ports := map[string]string{
		"right name": serve(t, byIP, byIPKey, nil),
		"other name": serve(t, byName, byNameKey, nil),
		"self":       serve(t, self, selfKey, nil),
		"chain":      serve(t, below, belowKey, nil, between.cert),
	}
	const unknown, wrongName = "certificate signed by unknown authority", "doesn't contain any IP SANs"
	tests := []struct {
		name, server string
		lines        []string
		scheme       string
		want         string // in the error; "": accepted
	}{
		{name: "required accepts anybody", server: "self", lines: []string{"TLSConnect=required"}},
		{name: "required accepts another name", server: "other name", lines: []string{"TLSConnect=required"}},
		{name: "verify_ca accepts another name", server: "other name", lines: []string{"TLSConnect=verify_ca", "TLSCAFile=" + ours.file}},
		{name: "verify_ca accepts a chain", server: "chain", lines: []string{"TLSConnect=verify_ca", "TLSCAFile=" + ours.file}},
		{name: "verify_ca refuses a chain to another authority", server: "chain", lines: []string{"TLSConnect=verify_ca", "TLSCAFile=" + theirs.file}, want: unknown},
		{name: "verify_ca refuses another authority", server: "other name", lines: []string{"TLSConnect=verify_ca", "TLSCAFile=" + theirs.file}, want: unknown},
		{name: "verify_ca refuses the self-signed", server: "self", lines: []string{"TLSConnect=verify_ca", "TLSCAFile=" + ours.file}, want: unknown},
		{name: "verify_full accepts the right name", server: "right name", lines: []string{"TLSConnect=verify_full", "TLSCAFile=" + ours.file}},
		{name: "verify_full refuses another name", server: "other name", lines: []string{"TLSConnect=verify_full", "TLSCAFile=" + ours.file}, want: wrongName},
		{
			name: "verify_full takes the name that is set", server: "other name",
			lines: []string{"TLSConnect=verify_full", "TLSCAFile=" + ours.file, "TLSServerName=Redis.example.com"},
		},
		{
			name: "verify_full refuses another than the name that is set", server: "other name",
			lines: []string{"TLSConnect=verify_full", "TLSCAFile=" + ours.file, "TLSServerName=r.example.com"}, want: "not r.example.com",
		},
		{name: "verify_full refuses another authority", server: "right name", lines: []string{"TLSConnect=verify_full", "TLSCAFile=" + theirs.file}, want: unknown},
		{name: "verify_full without authorities asks the system's", server: "right name", lines: []string{"TLSConnect=verify_full"}, want: unknown},
		{name: "rediss alone asks the system's", server: "right name", scheme: "rediss://", want: unknown},
		{name: "rediss with TLSCAFile", server: "right name", scheme: "rediss://", lines: []string{"TLSCAFile=" + ours.file}},
		{name: "rediss checks the name", server: "other name", scheme: "rediss://", lines: []string{"TLSCAFile=" + ours.file}, want: wrongName},
		{name: "rediss with required", server: "self", scheme: "rediss://", lines: []string{"TLSConnect=required"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			lines := []string{"Sessions.A.Uri=" + tt.scheme + "127.0.0.1:" + ports[tt.server]}
			for _, l := range tt.lines {
				lines = append(lines, "Sessions.A."+l)
			}
			o := mustDecode(t, lines...)
			require.NoError(t, firstBroken(o))
			err := greet(t, mustResolve(t, o, Ref{Conn: "A"}))
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
			var verify *tls.CertificateVerificationError
			require.ErrorAs(t, err, &verify, "so that it is told from other failures")
		})
	}
}

func TestTLSFromDefault(t *testing.T) {
	t.Parallel()
	o := mustDecode(t, "Default.TLSConnect=required", "Sessions.Plain.Uri=p", "Sessions.Plain.TLSConnect=disabled",
		"Sessions.Socket.Uri=/s", "Sessions.Full.Uri=rediss://f", "Sessions.Full.TLSConnect=verify_full")
	for conn, want := range map[string]string{
		"": "rediss://localhost:6379", "tcp://h": "rediss://h:6379", "rediss://h": "rediss://h:6379",
		"Plain": "Plain (tcp://p:6379)", "Socket": "Socket (unix:///s)", "/t": "unix:///t",
		"Full": "Full (rediss://f:6379)",
	} {
		require.Equal(t, want, mustResolve(t, o, Ref{Conn: conn}).String())
	}
	skips := func(o *Options, conn string) bool {
		config, err := mustResolve(t, o, Ref{Conn: conn}).TLS()
		require.NoError(t, err)
		require.Equal(t, uint16(tls.VersionTLS12), config.MinVersion)
		return config.InsecureSkipVerify
	}
	require.True(t, skips(o, "rediss://h"), "Default says how rediss:// is checked")
	require.False(t, skips(o, "Full"))
	require.False(t, skips(mustDecode(t), "rediss://h"))
	require.False(t, skips(mustDecode(t, "Default.TLSConnect=disabled"), "rediss://h"), "the key wants TLS")

	config, err := mustResolve(t, o, Ref{Conn: "Plain"}).TLS()
	require.NoError(t, err)
	require.Nil(t, config)
	config, err = mustResolve(t, mustDecode(t), Ref{Conn: "rediss://[fe80::1%eth0]"}).TLS()
	require.NoError(t, err)
	require.Equal(t, "fe80::1", config.ServerName)
}

func TestTLSClientCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := newAuthority(t, dir, "ca")
	cert, key := sign(t, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, ca)
	clients := x509.NewCertPool()
	clients.AddCert(ca.cert)
	port := serve(t, cert, key, clients)
	certFile, keyFile := filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key")
	renew := func(name string) *ecdsa.PrivateKey {
		cert, key := sign(t, &x509.Certificate{
			Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}, ca)
		writePEM(t, certFile, "CERTIFICATE", cert.Raw)
		writeKey(t, keyFile, key)
		return key
	}
	renew("first")
	o := mustDecode(t, "Default.TLSConnect=verify_full", "Default.TLSCAFile="+ca.file,
		"Default.TLSCertFile="+certFile, "Default.TLSKeyFile="+keyFile)
	target := mustResolve(t, o, Ref{Conn: "127.0.0.1:" + port})
	require.NoError(t, greet(t, target))

	without := mustDecode(t, "Default.TLSConnect=verify_full", "Default.TLSCAFile="+ca.file)
	require.Error(t, greet(t, mustResolve(t, without, Ref{Conn: "127.0.0.1:" + port})))

	first, err := target.TLS()
	require.NoError(t, err)
	again, err := target.TLS()
	require.NoError(t, err)
	require.Same(t, first, again, "nothing changed")

	// A renewed certificate is used from the next dial on.
	renew("a name of another length")
	second, err := target.TLS()
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(second.Certificates[0].Certificate[0])
	require.NoError(t, err)
	require.Equal(t, "a name of another length", leaf.Subject.CommonName)
	require.NoError(t, greet(t, target))

	const p = "Plugins.RedisJobs.Default."
	refused := func(want string) {
		t.Helper()
		_, err := target.TLS()
		require.EqualError(t, err, p+want)
		// The check at the agent's start looks at the same settings.
		require.EqualError(t, firstBroken(o), p+want)
	}
	_, other := sign(t, &x509.Certificate{}, ca)
	writeKey(t, keyFile, other)
	refused("TLSCertFile: the certificate and the key in TLSKeyFile are not a pair, or one of them is not in PEM form: private key does not match public key")
	require.NoError(t, os.Remove(keyFile))
	refused("TLSKeyFile: the file cannot be read: no such file or directory")
	require.NoError(t, os.Remove(certFile))
	refused("TLSCertFile: the file cannot be read: no such file or directory")
	require.NoError(t, os.WriteFile(ca.file, []byte("no PEM"), 0o600))
	refused("TLSCAFile: the file holds no certificate in PEM form")
	require.NoError(t, os.Remove(ca.file))
	refused("TLSCAFile: the file cannot be read: no such file or directory")
}
