//go:build linux || freebsd

package config

const handoffOK = true // SOCK_SEQPACKET for Unix sockets
