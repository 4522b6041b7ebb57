package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

var errNotInstalled = errors.New("not installed")

// asRoot returns line only where a server would otherwise give up root and with it our files.
func asRoot(line string) string {
	if os.Geteuid() == 0 {
		return line
	}
	return ""
}

// configured writes a configuration file into the subject's directory.
func configured(s setup, name, text string) (string, error) {
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("bench: configuration: %w", err)
	}
	return path, nil
}

// findNginx is nginx with buffers of the size that the scenario gives proxies, and findStockNginx the same
// with those that it has by default, where that makes a difference.
func findNginx(ctx context.Context, _ *bench) (*subject, error) {
	return nginx(ctx, "nginx", modeHello, modeStatic, modeProxy, modeHosted)
}

func findStockNginx(ctx context.Context, _ *bench) (*subject, error) {
	s, err := nginx(ctx, stockNginx, modeProxy)
	if err == nil {
		s.onlyLarge = true
	}
	return s, err
}

const stockNginx = "nginx-default"

func nginx(ctx context.Context, name string, modes ...mode) (*subject, error) {
	path, version, err := installed(ctx, "nginx", "-v", "version")
	if err != nil {
		return nil, err
	}
	return &subject{name: name, version: strings.TrimPrefix(version, "nginx version: nginx/"),
		modes: modes, forwards: true,
		launch: func(b *bench, s setup) (launch, error) {
			text := nginxConfig(b, s, name == stockNginx)
			file, err := configured(s, "nginx.conf", text)
			return launch{path: path, config: text,
				args: []string{"-p", s.dir, "-c", file, "-e", "stderr"}}, err
		}}, nil
}

func nginxConfig(b *bench, s setup, stock bool) string {
	location := "location = / { return 200 'Hello, World!'; }\n    location / { return 404; }"
	switch s.scenario.mode {
	case modeStatic:
		location = "root " + b.files + ";\n    open_file_cache max=64;\n" +
			"    open_file_cache_valid 60s;"
	case modeProxy, modeHosted:
		location = "location / {\n      proxy_pass http://worker;\n      proxy_http_version 1.1;\n" +
			"      proxy_set_header Connection '';\n      proxy_max_temp_file_size 0;\n"
		if s.scenario.large && !stock { // twice as fast as with the default, 8 of a page
			location += "      proxy_buffer_size 64k;\n      proxy_buffers 16 64k;\n" +
				"      proxy_busy_buffers_size 256k;\n"
		}
		location += "    }"
	}
	return fmt.Sprintf(`%sdaemon off;
worker_processes 1;
worker_rlimit_nofile %d;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 16384; }
http {
  access_log off;
  server_tokens off;
  default_type text/plain;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  client_body_temp_path tmp;
  proxy_temp_path tmp;
  fastcgi_temp_path tmp;
  uwsgi_temp_path tmp;
  scgi_temp_path tmp;
  upstream worker { server unix:%s; keepalive 1024; keepalive_requests 1000000000; }
  server {
    listen %s backlog=4096;
    %s
  }
}
`, asRoot("user root;\n"), b.openFiles, b.workerSocket(), s.addr(), location)
}

func findHAProxy(ctx context.Context, _ *bench) (*subject, error) {
	path, version, err := installed(ctx, "haproxy", "-v", "version")
	if err != nil {
		return nil, err
	}
	return &subject{name: "haproxy", version: haproxyVersion(version),
		modes: []mode{modeHello, modeProxy, modeHosted}, forwards: true,
		launch: func(b *bench, s setup) (launch, error) {
			text := haproxyConfig(b, s)
			file, err := configured(s, "haproxy.cfg", text)
			return launch{path: path, config: text, args: []string{"-db", "-f", file}}, err
		}}, nil
}

// haproxyVersion picks the version out of "HAProxy version VERSION DATE - https://haproxy.org/".
func haproxyVersion(line string) string {
	v, _, _ := strings.Cut(strings.TrimPrefix(line, "HAProxy version "), " ")
	return v
}

func haproxyConfig(b *bench, s setup) string {
	rules := "  http-request return status 200 content-type text/plain string 'Hello, World!' " +
		"hdr Server haproxy hdr Date %[date,http_date] if { path / }\n" +
		"  http-request return status 404 content-type text/plain string 'not found'\n"
	if s.scenario.mode == modeProxy || s.scenario.mode == modeHosted {
		rules = "  default_backend worker\nbackend worker\n  http-reuse always\n  server worker unix@" +
			b.workerSocket() + "\n"
	}
	buffers := ""
	if s.scenario.large { // 64 KiB as we read; a quarter faster than with the default of 16 KiB
		buffers = "  tune.bufsize 65536\n"
	}
	return fmt.Sprintf(`global
  nbthread 1
%s  maxconn 12000
  no strict-limits
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
frontend bench
  bind %s backlog 4096
%s`, buffers, s.addr(), rules)
}

func findH2O(ctx context.Context, _ *bench) (*subject, error) {
	path, version, err := installed(ctx, "h2o", "-v", "version")
	if err != nil {
		return nil, err
	}
	return &subject{name: "h2o", version: strings.TrimPrefix(version, "h2o version "),
		modes: []mode{modeHello, modeStatic, modeProxy},
		launch: func(b *bench, s setup) (launch, error) {
			text := h2oConfig(b, s)
			file, err := configured(s, "h2o.conf", text)
			return launch{path: path, config: text, args: []string{"-c", file}}, err
		}}, nil
}

// h2oConfig serves the fixed answer as a cached file: cheaper in h2o than its mruby handler.
func h2oConfig(b *bench, s setup) string {
	handler := "file.dir: " + b.files + "\n        file.index: [hello.txt]\n        file.etag: OFF\n" +
		"        header.unset: Last-Modified\n        header.unset: Accept-Ranges"
	switch s.scenario.mode {
	case modeStatic:
		handler = "file.dir: " + b.files
	case modeProxy:
		handler = "proxy.reverse.url: 'http://[unix:" + b.workerSocket() + "]/'\n" +
			"        proxy.preserve-host: ON\n        proxy.timeout.keepalive: 3600000"
	}
	return fmt.Sprintf(`%snum-threads: 1
max-connections: 16384
http1-request-timeout: 3600
listen: {host: 127.0.0.1, port: %d}
hosts:
  default:
    paths:
      /:
        %s
`, asRoot("user: root\n"), s.port, handler)
}
