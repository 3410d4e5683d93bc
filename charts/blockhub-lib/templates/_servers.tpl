{{/*
URL of the broker, the store or the registry. If the value is empty, it is the server of the
umbrella chart. A service chart that is installed alone has no such server. Takes dict "top" $ "of"
"broker".
*/}}
{{- define "blockhub.url" -}}
{{- $given := get (get .top.Values.global .of) "url" -}}
{{- if $given -}}
{{- $given -}}
{{- else if and .top.Chart.IsRoot (ne .top.Chart.Name "blockhub") -}}
{{- fail (printf "global.%s.url is missing: set it, for example to %s" .of (get (dict "broker" "amqp://rabbitmq:5672" "store" "s3://endpoint/bucket" "registry" "redis://redis:6379") .of)) -}}
{{- else if eq .of "broker" -}}
amqp://{{ include "blockhub.name" (dict "top" .top "of" "rabbitmq") }}:5672
{{- else if eq .of "store" -}}
s3://{{ include "blockhub.name" (dict "top" .top "of" "store") }}:9000/blockhub?tls=off
{{- else -}}
redis://{{ include "blockhub.name" (dict "top" .top "of" "registry") }}:6379
{{- end -}}
{{- end -}}

{{/*
Name of the Secret of a server. It is empty if another server is used that needs none. Takes dict
"top" $ "of" "broker".
*/}}
{{- define "blockhub.secret" -}}
{{- $server := get .top.Values.global .of -}}
{{- if $server.secret -}}
{{- $server.secret -}}
{{- else if not $server.url -}}
{{- include "blockhub.name" (dict "top" .top "of" (get (dict "broker" "rabbitmq-users" "store" "store-keys" "registry" "registry-keys") .of)) -}}
{{- end -}}
{{- end -}}

{{/*
Variables with the URLs of the servers. Takes dict "top" $ "user" "builder" "needs" (list "broker"
"store").
*/}}
{{- define "blockhub.serverEnv" -}}
{{- range .needs }}
{{- $at := dict "top" $.top "of" . }}
- name: BLOCKHUB_{{ upper . }}
  value: {{ include "blockhub.url" $at | quote }}
{{- if include "blockhub.secret" $at }}
{{- if eq . "store" }}
- name: BLOCKHUB_STORE_ACCESS_KEY_FILE
  value: /run/secrets/blockhub/store-access-key
- name: BLOCKHUB_STORE_SECRET_KEY_FILE
  value: /run/secrets/blockhub/store-secret-key
{{- else }}
{{- if eq . "broker" }}
- name: BLOCKHUB_BROKER_USER
  value: {{ $.top.Values.global.broker.user | default $.user | quote }}
{{- end }}
- name: BLOCKHUB_{{ upper . }}_PASSWORD_FILE
  value: /run/secrets/blockhub/{{ . }}-password
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The key in the Secret with the password of a user of the broker. */}}
{{- define "blockhub.brokerKey" -}}
{{- if .top.Values.global.broker.user }}password{{ else }}{{ .user }}{{ end -}}
{{- end -}}

{{/* The files whose paths are in `blockhub.serverEnv`: sources of a projected volume. */}}
{{- define "blockhub.serverFiles" -}}
{{- range .needs }}
{{- $secret := include "blockhub.secret" (dict "top" $.top "of" .) }}
{{- if $secret }}
- secret:
    name: {{ $secret }}
    items:
      {{- if eq . "store" }}
      - {key: accessKey, path: store-access-key}
      - {key: secretKey, path: store-secret-key}
      {{- else if eq . "broker" }}
      - {key: {{ include "blockhub.brokerKey" $ | quote }}, path: broker-password}
      {{- else }}
      - {key: password, path: registry-password}
      {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Port of a URL. If there is none, it is the port of its scheme. */}}
{{- define "blockhub.port" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) -}}
{{- if $port -}}{{ $port }}
{{- else if and (eq $url.scheme "s3") (contains "tls=off" $url.query) -}}80
{{- else -}}{{ get (dict "amqp" "5672" "amqps" "5671" "redis" "6379" "rediss" "6379" "http" "80") $url.scheme | default "443" }}
{{- end -}}
{{- end -}}
