{{/*
What the containers of the servers for development have in common. Takes dict "top" $ "of" "store"
(the name of its objects) "values" .Values.minio.
*/}}
{{- define "blockhub.serverContainer" -}}
{{- $values := .values -}}
name: {{ .of }}
image: {{ include "blockhub.otherImage" $values.image | quote }}
imagePullPolicy: {{ $values.image.pullPolicy }}
{{- with $values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "blockhub.containerSecurity" . | nindent 2 }}
{{- end -}}

{{- define "blockhub.serverSpec" -}}
replicas: 1
revisionHistoryLimit: 3
serviceName: {{ include "blockhub.name" . }}
selector:
  matchLabels:
    {{- include "blockhub.selector" . | nindent 4 }}
{{- end -}}

{{/*
The Service and the NetworkPolicy of a server. Takes what `serverContainer` takes, and dict "ports"
(list (dict "name" "amqp" "port" 5672)) "from" (list of the places that may connect) "metrics" (name
of the port that Prometheus scrapes).
*/}}
{{- define "blockhub.serverNetwork" -}}
---
apiVersion: v1
kind: Service
metadata:
  {{- include "blockhub.metadata" . | nindent 2 }}
spec:
  # The server must resolve its own name before it is ready.
  clusterIP: None
  publishNotReadyAddresses: true
  {{- include "blockhub.ipFamilies" (dict "top" .top) | nindent 2 }}
  selector:
    {{- include "blockhub.selector" . | nindent 4 }}
  ports:
    {{- range .ports }}
    - {name: {{ .name }}, port: {{ .port }}, targetPort: {{ .name }}, protocol: TCP}
    {{- end }}
{{- if .top.Values.global.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "blockhub.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "blockhub.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- if .from }}
    - ports:
        - {protocol: TCP, port: {{ (first .ports).name }}}
      from:
        - podSelector:
            matchLabels:
              app.kubernetes.io/instance: {{ .top.Release.Name }}
              app.kubernetes.io/part-of: blockhub
            matchExpressions:
              - {key: app.kubernetes.io/component, operator: In, values: {{ toJson .from }}}
    {{- end }}
    {{- with (.values.networkPolicy).ingress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with .metrics }}
    {{- include "blockhub.ingressMetrics" (dict "top" $.top "port" .) | nindent 4 }}
    {{- end }}
  egress:
    {{- include "blockhub.egressDns" .top | nindent 4 }}
{{- end }}
{{- end -}}

{{/*
The groups of places that are switched on: a JSON array. A group counts as switched on if its value
`enabled` is true, or if one of its places is installed by the place's own value.
*/}}
{{- define "blockhub.groups" -}}
{{- $on := list -}}
{{- range $name, $chart := .Subcharts -}}
{{- if $chart.Files.Get "place.json" -}}
{{- $on = append $on (($chart.Files.Get "place.json" | fromJson).group | default "") -}}
{{- end -}}
{{- end -}}
{{- range (.Files.Get "files/topology.json" | fromJson).groups -}}
{{- if (get $.Values . | default dict).enabled -}}{{- $on = append $on . -}}{{- end -}}
{{- end -}}
{{- toJson (compact $on | uniq | sortAlpha) -}}
{{- end -}}

{{/*
The installed places that need a server, and what "more" lists. Takes dict "top" $ "need" "broker"
"more" (list "setup").
*/}}
{{- define "blockhub.clients" -}}
{{- $clients := .more -}}
{{- range $name, $chart := .top.Subcharts -}}
{{- if $chart.Files.Get "place.json" -}}
{{- $place := $chart.Files.Get "place.json" | fromJson -}}
{{- if has $.need $place.needs -}}{{- $clients = append $clients $name -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson (dict "clients" (sortAlpha $clients)) -}}
{{- end -}}

{{/* A password in base64. Upgrades keep it: it is read from the Secret, if that exists. */}}
{{- define "blockhub.password" -}}
{{- get .old .key | default (randAlphaNum 32 | b64enc) -}}
{{- end -}}

{{- define "blockhub.oldSecret" -}}
{{- $found := lookup "v1" "Secret" .top.Release.Namespace .name -}}
{{- toJson ($found.data | default dict) -}}
{{- end -}}
