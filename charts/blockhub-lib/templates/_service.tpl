{{/* Everything of a service chart. What kind of place it is stands in its place.json, which `pnpm fix` writes. */}}
{{- define "blockhub.service" -}}
{{- $place := .Files.Get "place.json" | fromJson -}}
{{- $parts := dict "top" . "place" $place -}}
{{- include "blockhub.workload" $parts }}
{{- if $place.listens }}
{{- include "blockhub.http" $parts }}
{{- end }}
{{- include "blockhub.disruptionBudget" $parts }}
{{- include "blockhub.scaling" $parts }}
{{- include "blockhub.networkPolicy" $parts }}
{{- include "blockhub.podMonitor" (dict "top" . "of" $place.name "port" "probes" "job" "app.kubernetes.io/part-of") }}
{{- end -}}
