use super::*;

fn refusal(text: &str) -> String {
    match Custom::parse("directives", text) {
        Ok(custom) => format!("accepted: {custom:?}"),
        Err(problem) => problem.message(),
    }
}

#[test]
fn what_people_need_is_allowed() {
    for text in [
        "",
        "# only a comment\n",
        "add_header X-Frame-Options SAMEORIGIN;",
        "add_header Strict-Transport-Security \"max-age=31536000; includeSubDomains\" always;",
        "add_header X-Host $host;\nadd_header Content-Security-Policy \"default-src 'self'; img-src *\";",
        "client_max_body_size 512m; expires 30d; etag off; charset utf-8;",
        "gzip on; gzip_types text/plain text/css application/json; gzip_comp_level 6; gzip_min_length 1k;",
        "error_page 404 /404.html; error_page 500 502 503 504 /50x.html; error_page 403 =200 /x.php?y=1;",
        "allow 192.0.2.0/24; allow 2001:db8::/32; deny all;",
        "location / { try_files $uri $uri/ /index.php?$args; }",
        "location /static/ {\n    expires max;\n    autoindex off; # list\n}\nlocation = /health { return 200 \"ok\"; }",
        "location /old/ { rewrite ^/old/(.*)$ /new/$1 permanent; }",
        "location = /x { return 301 https://b.example$request_uri; }",
        "location /shop { rewrite \"^/shop/([0-9]+)$\" /shop.php?id=$1 last; index shop.html; limit_rate 100k; }",
        "location /gone { return 410; }",
    ] {
        assert!(Custom::parse("directives", text).is_ok(), "{text}: {}", refusal(text));
    }
}

#[test]
fn everything_else_is_refused_with_its_line() {
    for (line, text) in [
        // Other files, other servers, other programs.
        (1, "root /;"),
        (1, "alias /etc/;"),
        (2, "etag on;\ninclude /etc/opterius/*.conf;"),
        (1, "proxy_pass http://127.0.0.1:7443;"),
        (1, "fastcgi_pass unix:/run/opterius-php/8.2/bob.sock;"),
        (1, "fastcgi_param SCRIPT_FILENAME /home/bob/x.php;"),
        (1, "access_log /home/bob/x;"),
        (1, "error_log /var/log/x debug;"),
        (1, "ssl_certificate /x;"),
        (1, "server_name bob.example;"),
        (1, "listen 8080;"),
        (1, "load_module x.so;"),
        (1, "set $path_info /x;"),
        (1, "disable_symlinks off;"),
        (1, "auth_basic off;"),
        (1, "auth_basic_user_file /etc/shadow;"),
        (1, "satisfy any;"),
        (1, "internal;"),
        (1, "mirror /x;"),
        (1, "resolver 127.0.0.1;"),
        (1, "sub_filter a b;"),
        (1, "client_body_temp_path /home/bob;"),
        (1, "if ($host) { return 403; }"),
        (1, "server { listen 80; }"),
        (1, "location /x { location /x/y { etag on; } }"),
        (3, "location /x {\n  etag on;\n  alias /etc/;\n}"),
        // What would come before everything else.
        (1, "return 200 x;"),
        (1, "rewrite ^ /x last;"),
        (1, "try_files /x =404;"),
        (1, "location ~ \\.php$ { etag on; }"),
        (1, "location ~* x { etag on; }"),
        (1, "location ^~ /x { etag on; }"),
        (1, "location @front { etag on; }"),
        (1, "location = /config.php { etag on; }"),
        (1, "location = /a/.env { etag on; }"),
        (1, "location = /dump.SQL { etag on; }"),
        (1, "location /.well-known/acme-challenge/x { etag on; }"),
        (1, "location = /.well-known/opterius-agent/x { etag on; }"),
        (1, "location x { etag on; }"),
        (1, "location //x { etag on; }"),
        // nginx would compare the first 44 bytes.
        (1, &format!("location = /{} {{ etag on; }}", "a".repeat(299))),
        (2, "location /x { etag on; }\nlocation /x { etag off; }"),
        (1, "location /x { deny all; }"),
        // Sources of scripts, and names of others' locations.
        (1, "location /x { try_files /config.php =404; }"),
        (1, "location /x { try_files $uri.php =404; }"),
        (1, "location /x { try_files /a/../../b =404; }"),
        (1, "location /x { try_files $document_root/x =404; }"),
        (1, "location /x { try_files $uri @front; }"),
        (1, "location /x { rewrite ^/x$ /config.php break; }"),
        (1, "location /x { rewrite ^/x$ /config.php; }"),
        (1, "location /x { rewrite ^/((a+)+)+$ /y last; }"),
        (1, "location /x { rewrite ^/(.*)(.*)$ /y last; }"),
        (1, "location /x { rewrite ^/(.*)$ http://b.example/ last; }"),
        (1, "location /x { rewrite ^/x$ $1 last; }"),
        // What grows with each of nginx's ten rounds.
        (1, "location /a { rewrite ^/a(.*)$ /a$1$1 last; }"),
        (1, "location /a { rewrite ^/a(.*)$ /a$1?x=$arg_x last; }"),
        (1, "location /a { rewrite ^/a /a?x=$args last; }"),
        (1, "location /a { try_files /none /a?$args$args; }"),
        (1, "error_page 404 /x?$args&$request_uri;"),
        // Variables by another way.
        (1, "location /x { try_files $urifoo =404; }"),
        (1, "location /x { rewrite ^/(.*)$ /$$1host last; }"),
        (1, "location /x { rewrite ^/(.*)$ /$h$1ost redirect; }"),
        (1, "error_page +404 /x;"),
        (1, "autoindex on;"),
        (1, "autoindex_format json;"),
        // Values.
        (1, "add_header A $ssl_client_raw_cert;"),
        (1, "add_header A $uri;"),
        (1, "add_header A \"${host}\";"),
        (1, "add_header A $;"),
        (1, "add_header \"A: b\" c;"),
        (1, "add_header Content-Length 0;"),
        (1, "add_header A;"),
        (1, "client_max_body_size 0;"),
        (1, "client_max_body_size 2g;"),
        (1, "client_max_body_size 99999999999999999999g;"),
        (1, "error_page 404 @front;"),
        (1, "error_page 404 http://b.example/;"),
        (1, "error_page 404;"),
        (1, "index /etc/passwd;"),
        (1, "index .env;"),
        (1, "expires @15h30m;"),
        (1, "allow unix:;"),
        (1, "allow bob.example;"),
        (1, "etag on off;"),
        (1, "etag;"),
        (2, "etag on;\netag off;"),
        (1, "gzip_types text/css text/css;"),
        (1, "location /x { return 301 //b.example/; }"),
        (1, "location /x { return 301 javascript:x; }"),
        (1, "location /x { return 444; }"),
    ] {
        let refused = refusal(text);
        assert!(refused.contains(&format!("is not allowed at line {line}: ")), "{text}: {refused}");
    }
}

#[test]
fn what_is_not_nginxs_language_is_refused_with_its_line() {
    for (line, text) in [
        (1, "etag on"),
        (1, "}"),
        (2, "etag on;\n}\nserver { listen 81;"),
        (1, ";"),
        (1, "{ etag on; }"),
        (1, "location /x {"),
        (1, "location /x { etag on }"),
        (1, "add_header A \"b;"),
        (1, "add_header A \"b\"c;"),
        (1, "add_header A b\"c;"),
        (1, "add_header A b{c;"),
        (1, "add_header A \"b\\nc\";"),
        (2, "add_header A \"b\nc\";"),
        (1, "add_header A \"b\0c\";"),
        (1, "location /x{ etag on; }"),
        (1, "content_by_lua_block { os.execute('id') }"),
        (1, "content_by_lua_block { os.execute }"),
        (1, "a { b { c { d { e; } } } }"),
    ] {
        let refused = refusal(text);
        assert!(refused.contains(&format!("cannot be read at line {line}: ")), "{text:?}: {refused}");
    }
    assert!(refusal(&"#".repeat(10_001)).contains("at most 10000 characters"));
    assert!(refusal(&"add_header A b;".repeat(600)).contains("at most 500 directives"));
}

#[test]
fn variables_are_few() {
    let texts = |count: usize| "add_header A $arg_a;\n".repeat(count);
    assert!(Custom::parse("directives", &texts(MAX_VARIABLES)).is_ok());
    assert!(refusal(&texts(MAX_VARIABLES + 1)).contains("dollar signs"));
}
