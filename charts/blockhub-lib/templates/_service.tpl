{{/* All objects of a service chart. Its place.json describes the place; `pnpm fix` writes it. */}}
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
Refuses a misspelt key of `global`. Only the chart that is installed checks this, because below
another chart `global` may also have that chart's keys.
*/}}
{{- define "blockhub.checkGlobals" -}}
{{- if .Chart.IsRoot -}}
{{- $known := include "blockhub.globals" . | splitList " " -}}
{{- range $key, $_ := .Values.global -}}
{{- if not (has $key $known) -}}
{{- fail (printf "global.%s is not a value of global. The values are: %s" $key (join ", " $known)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
