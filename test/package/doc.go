// Package packages tests the packages that make package makes: that the same
// input gives the same bytes, and that each can be installed and runs: the deb on
// this Debian with the distribution's agent, rpm and apk in root folders of their own,
// the programs of arm64 and Windows emulated.
package packages
