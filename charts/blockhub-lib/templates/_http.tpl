{{/* The Service for senders, with an Ingress or an HTTPRoute. */}}
{{- define "blockhub.http" -}}
{{- $values := .top.Values -}}
{{- $at := dict "top" .top "of" .place.name -}}
{{- $name := include "blockhub.name" $at }}
---
apiVersion: v1
kind: Service
metadata:
  {{- include "blockhub.metadata" $at | nindent 2 }}
  {{- with $values.service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ $values.service.type }}
  {{- include "blockhub.ipFamilies" (dict "top" .top "service" $values.service) | nindent 2 }}
  selector:
    {{- include "blockhub.selector" $at | nindent 4 }}
  ports:
    - {name: http, port: {{ $values.service.port }}, targetPort: http, protocol: TCP}
{{- with $values.ingress }}
{{- if .enabled }}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  {{- include "blockhub.metadata" $at | nindent 2 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with .className }}
  ingressClassName: {{ . | quote }}
  {{- end }}
  rules:
    {{- range .hosts | default (list "") }}
    - http:
        paths:
          - path: {{ $values.ingress.path }}
            pathType: Prefix
            backend: {service: {name: {{ $name }}, port: {name: http}}}
      {{- with . }}
      host: {{ . | quote }}
      {{- end }}
    {{- end }}
  {{- with .tlsSecret }}
  tls:
    - secretName: {{ . }}
      {{- with $values.ingress.hosts }}
      hosts: {{ toJson . }}
      {{- end }}
  {{- end }}
{{- end }}
{{- end }}
{{- with $values.route }}
{{- if .enabled }}
{{- if not .parentRefs }}
{{- fail (printf "%s: route.parentRefs is missing: set it to a Gateway, such as [{name: public, namespace: gateways}]" $.place.name) }}
{{- end }}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  {{- include "blockhub.metadata" $at | nindent 2 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  parentRefs:
    {{- toYaml .parentRefs | nindent 4 }}
  {{- with .hostnames }}
  hostnames: {{ toJson . }}
  {{- end }}
  rules:
    - matches:
        - path: {type: PathPrefix, value: {{ .path }}}
      backendRefs:
        - {name: {{ $name }}, port: {{ $values.service.port }}}
{{- end }}
{{- end }}
{{- end -}}
