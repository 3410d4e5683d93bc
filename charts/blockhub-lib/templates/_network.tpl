{{/*
Address on which pods listen. An upgrade with `--reuse-values` may not have this value. Takes dict
"top" $, and "own" if the place has a value of its own.
*/}}
{{- define "blockhub.listen" -}}
{{- .own | default .top.Values.global.listen | default "::" -}}
{{- end -}}

{{/*
IP families of a Service. Takes dict "top" $, and "service" if the place has values `ipFamilyPolicy`
and `ipFamilies` of its own.
*/}}
{{- define "blockhub.ipFamilies" -}}
{{- $own := .service | default dict -}}
{{- $policy := $own.ipFamilyPolicy | default .top.Values.global.ipFamilyPolicy | default "PreferDualStack" -}}
{{- $families := $own.ipFamilies | default .top.Values.global.ipFamilies | default list -}}
{{- if and (eq $policy "SingleStack") (gt (len $families) 1) -}}
{{- fail (printf "ipFamilies is %s, but ipFamilyPolicy SingleStack allows one family: remove one, or set PreferDualStack" (join " and " $families)) -}}
{{- end -}}
ipFamilyPolicy: {{ $policy }}
{{- with $families }}
ipFamilies: {{ toJson . }}
{{- end }}
{{- end -}}

{{/* DNS, from any resolver that the cluster has. */}}
{{- define "blockhub.egressDns" -}}
- ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end -}}

{{/* The servers that a place needs: those of the umbrella chart by pod, others by port. */}}
{{- define "blockhub.egressServers" -}}
{{- range .needs }}
{{- $url := include "blockhub.url" (dict "top" $.top "of" .) }}
- ports:
    - {protocol: TCP, port: {{ include "blockhub.port" $url }}}
  {{- if not (get (get $.top.Values.global .) "url") }}
  to:
    - podSelector:
        matchLabels:
          {{- include "blockhub.selector" (dict "top" $.top "of" (ternary "rabbitmq" . (eq . "broker"))) | nindent 10 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Scraping, if it is switched on. */}}
{{- define "blockhub.ingressMetrics" -}}
{{- if .top.Values.global.monitoring.podMonitor }}
- ports:
    - {protocol: TCP, port: {{ .port }}}
  from:
    - namespaceSelector:
        {{- toYaml .top.Values.global.monitoring.namespaceSelector | nindent 8 }}
{{- end }}
{{- end -}}

{{/* Everything that is not listed here is refused, in both directions. */}}
{{- define "blockhub.networkPolicy" -}}
{{- $values := .top.Values -}}
{{- $at := dict "top" .top "of" .place.name -}}
{{- if $values.global.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "blockhub.metadata" $at | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "blockhub.selector" $at | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- with include "blockhub.ingressMetrics" (dict "top" .top "port" "probes") | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- if .place.listens }}
    - ports:
        - {protocol: TCP, port: http}
      {{- with $values.networkPolicy.from }}
      from:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- with $values.networkPolicy.ingress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  egress:
    {{- include "blockhub.egressDns" .top | nindent 4 }}
    {{- with include "blockhub.egressServers" (dict "top" .top "needs" .place.needs) | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- $env := merge (dict) $values.env $values.global.env }}
    {{- $spans := $env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT | default $env.OTEL_EXPORTER_OTLP_ENDPOINT }}
    {{- range $url := list $values.settings.jwtJwks $values.settings.jwtIssuer $spans | compact }}
    - ports:
        - {protocol: TCP, port: {{ include "blockhub.port" $url }}}
    {{- end }}
    {{- with concat $values.networkPolicy.egress $values.global.networkPolicy.egress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- end -}}
