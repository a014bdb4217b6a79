// Package packages tests the packages that make package makes: that the same
// input gives the same bytes, and that the deb can be installed, upgraded and
// purged on this Debian with the distribution's agent.
package packages
