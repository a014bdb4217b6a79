package conf

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// maxPEM bounds a file of certificates or keys, in bytes.
const maxPEM = 4 << 20

// tlsSettings are how a target uses TLS; all zero when it does not.
type tlsSettings struct {
	mode       string
	caFile     string
	certFile   string
	keyFile    string
	serverName string
	nameGiven  bool // serverName is TLSServerName, and not the host
}

// tlsFiles are the same files with the options that named them.
type tlsFiles struct{ ca, cert, key setting }

// tlsStamps tell whether any of the files changed.
type tlsStamps [3]fileStamp

// tlsState is a configuration and the files it was made of.
type tlsState struct {
	stamps tlsStamps
	config *tls.Config
}

// TLS is the configuration for a handshake with the target, nil when TLS is not
// used. It is made once, and again when one of its files has changed since, so
// it is to be asked for before each dial and must not be modified. The error
// names the option.
func (t *Target) TLS() (*tls.Config, error) {
	if t.tls.mode == "" {
		return nil, nil
	}
	// Taken before the files are read: what changes in between is seen next time.
	stamps := tlsStamps{stampOf(t.tls.caFile), stampOf(t.tls.certFile), stampOf(t.tls.keyFile)}
	if s := t.tlsState.Load(); s != nil && s.stamps == stamps {
		return s.config, nil
	}
	config, err := t.makeTLS()
	if err != nil {
		return nil, err
	}
	t.tlsState.Store(&tlsState{stamps: stamps, config: config})
	return config, nil
}

func (t *Target) makeTLS() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.tls.serverName}
	// No TLSCAFile leaves nil, which is the system's authorities.
	if f := t.tlsFiles.ca; f.value != "" {
		pem, err := readFile(f.value, maxPEM)
		if err != nil {
			return nil, f.fail(err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, f.fail(errors.New("the file holds no certificate in PEM form"))
		}
	}
	if f := t.tlsFiles.cert; f.value != "" {
		cert, err := t.clientCertificate()
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{cert}
	}
	switch t.tls.mode {
	case tlsRequired:
		config.InsecureSkipVerify = true
	case tlsVerifyCA:
		// The standard library checks chain and name together or not at all.
		config.InsecureSkipVerify = true
		config.VerifyConnection = verifyChain(config.RootCAs)
	}
	return config, nil
}

func (t *Target) clientCertificate() (tls.Certificate, error) {
	var none tls.Certificate
	certFile, keyFile := t.tlsFiles.cert, t.tlsFiles.key
	certPEM, err := readFile(certFile.value, maxPEM)
	if err != nil {
		return none, certFile.fail(err)
	}
	keyPEM, err := readFile(keyFile.value, maxPEM)
	if err != nil {
		return none, keyFile.fail(err)
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return none, certFile.fail(fmt.Errorf("the certificate and the key in TLSKeyFile are not a pair, or one of them is not in PEM form: %s", strings.TrimPrefix(err.Error(), "tls: ")))
	}
	return cert, nil
}

// verifyChain accepts a certificate that one of roots has signed, whatever name
// it has. It is called for resumed sessions too.
func verifyChain(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(cs tls.ConnectionState) error {
		if len(cs.PeerCertificates) == 0 {
			return errors.New("tls: the server showed no certificate")
		}
		opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, cert := range cs.PeerCertificates[1:] {
			opts.Intermediates.AddCert(cert)
		}
		if _, err := cs.PeerCertificates[0].Verify(opts); err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: cs.PeerCertificates, Err: err}
		}
		return nil
	}
}

func (s setting) fail(err error) error { return &optionError{option: s.option, err: err} }
