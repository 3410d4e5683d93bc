{{/* A value as text. Helm reads whole numbers of YAML as floats. */}}
{{- define "blockhub.text" -}}
{{- if kindIs "slice" . -}}{{ join "," . }}
{{- else if kindIs "float64" . -}}{{ int64 . }}
{{- else -}}{{ toString . }}
{{- end -}}
{{- end -}}

{{/* Variable of a setting, as in packages/settings: storeUrl is BLOCKHUB_STORE_URL. */}}
{{- define "blockhub.variable" -}}
BLOCKHUB_{{ regexReplaceAll "([A-Z])" . "_${1}" | upper }}
{{- end -}}

{{/* Variables of the settings that are set. Kubernetes would replace $(…), so it is escaped. */}}
{{- define "blockhub.settingsEnv" -}}
{{- range $name, $value := .Values.settings }}
{{- if kindIs "map" $value }}
- name: {{ include "blockhub.variable" $name }}_FILE
  value: /run/secrets/blockhub/{{ $name }}
{{- else if not (kindIs "invalid" $value) }}
- name: {{ include "blockhub.variable" $name }}
  value: {{ include "blockhub.text" $value | replace "$(" "$$(" | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Settings that are secrets: sources of a projected volume. */}}
{{- define "blockhub.settingsFiles" -}}
{{- range $name, $value := .Values.settings }}
{{- if kindIs "map" $value }}
- secret:
    name: {{ $value.secret }}
    items:
      - {key: {{ $value.key | quote }}, path: {{ $name }}}
{{- end }}
{{- end }}
{{- end -}}

{{/* A duration such as 25s, 2m or 500 in seconds, rounded up. */}}
{{- define "blockhub.seconds" -}}
{{- $text := include "blockhub.text" . -}}
{{- $factor := get (dict "" 0.001 "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0) (regexFind "[a-z]*$" $text) -}}
{{- ceil (mulf (regexFind "^[0-9.]+" $text) $factor) | int -}}
{{- end -}}

{{/* Bytes of a size, such as 1.5gb in a setting or 2Gi in Kubernetes. A k is 1024 in both. */}}
{{- define "blockhub.bytes" -}}
{{- $text := include "blockhub.text" . | lower -}}
{{- $factor := get (dict "" 1 "k" 1024 "m" 1048576 "g" 1073741824 "t" 1099511627776) (regexFind "[kmgt]" $text) -}}
{{- mulf (regexFind "^[0-9.]+" $text) $factor | int64 -}}
{{- end -}}

{{/* Variables from the values `env` and `global.env`. */}}
{{- define "blockhub.plainEnv" -}}
{{- range $name, $value := merge (dict) .Values.env .Values.global.env }}
- name: {{ $name }}
  value: {{ include "blockhub.text" $value | quote }}
{{- end }}
{{- end -}}
