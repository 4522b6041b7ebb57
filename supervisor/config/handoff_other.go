//go:build !linux && !freebsd

package config

const handoffOK = false
