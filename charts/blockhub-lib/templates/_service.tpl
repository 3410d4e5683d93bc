{{/* Everything of a service chart. What kind of place it is stands in its place.json, which `pnpm fix` writes. */}}
{{- define "blockhub.service" -}}
{{- include "blockhub.checkGlobals" . -}}
{{- $place := .Files.Get "place.json" | fromJson -}}
{{- $parts := dict "top" . "place" $place -}}
{{- include "blockhub.workload" $parts }}
{{- if $place.listens }}
{{- include "blockhub.http" $parts }}
{{- end }}
{{- include "blockhub.disruptionBudget" $parts }}
{{- include "blockhub.scaling" $parts }}
{{- include "blockhub.networkPolicy" $parts }}
{{- if .Chart.IsRoot }}
{{- include "blockhub.serviceAccount" . }}
{{- end }}
{{- include "blockhub.podMonitor" (dict "top" . "of" $place.name "port" "probes" "job" "app.kubernetes.io/part-of") }}
{{- end -}}

{{/*
A misspelt key of `global` would be ignored. Only whoever is installed asks: below another chart `global` is also that one's and its other charts'.
*/}}
{{- define "blockhub.checkGlobals" -}}
{{- if .Chart.IsRoot -}}
{{- $known := include "blockhub.globals" . | splitList " " -}}
{{- range $key, $_ := .Values.global -}}
{{- if not (has $key $known) -}}
{{- fail (printf "global.%s is none of the values of global: %s" $key (join ", " $known)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
