{{/*
Seconds that a pod has to end: the process's grace, the time until traffic reaches other pods, and
10 s more.
*/}}
{{- define "blockhub.endSeconds" -}}
{{- add (include "blockhub.seconds" .Values.settings.grace) (.Values.preStopSeconds | default 0) 10 -}}
{{- end -}}

{{- define "blockhub.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "blockhub.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/*
What every pod has before its containers. Takes dict "top" $ "values" (`nodeSelector` and so on).
Servers for development also give "uid" 999, and do not use Blockhub's service account.
*/}}
{{- define "blockhub.podHead" -}}
enableServiceLinks: false
{{- $account := ternary dict .top.Values.global.serviceAccount (hasKey . "uid") }}
automountServiceAccountToken: {{ $account.automount | default false }}
{{- if $account }}
{{- with include "blockhub.serviceAccountName" .top }}
serviceAccountName: {{ . }}
{{- end }}
{{- end }}
securityContext:
  {{- include "blockhub.podSecurity" (.uid | default 10001) | nindent 2 }}
{{- with .top.Values.global.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "priorityClassName" }}
{{- with get $.values $key }}
{{ $key }}: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The pod of a place. Takes dict "top" $ "place" (the content of place.json). */}}
{{- define "blockhub.pod" -}}
{{- $top := .top -}}
{{- $values := .top.Values -}}
{{- $place := .place -}}
{{- $servers := dict "top" $top "user" $place.name "needs" $place.needs -}}
{{- $files := printf "%s%s" (include "blockhub.serverFiles" $servers) (include "blockhub.settingsFiles" $top) -}}
{{- $listen := include "blockhub.listen" (dict "top" $top "own" $values.listen) -}}
metadata:
  labels:
    {{- include "blockhub.podLabels" (dict "top" $top "of" $place.name) | nindent 4 }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- include "blockhub.podHead" (dict "top" $top "values" $values) | nindent 2 }}
  terminationGracePeriodSeconds: {{ include "blockhub.endSeconds" $top }}
  {{- if $values.topologySpread }}
  topologySpreadConstraints:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "blockhub.selector" (dict "top" $top "of" $place.name) | nindent 10 }}
    {{- end }}
  {{- end }}
  containers:
    - name: {{ $place.name }}
      image: {{ include "blockhub.image" $top | quote }}
      imagePullPolicy: {{ $values.global.image.pullPolicy }}
      args: [run, {{ $place.service }}]
      env:
        {{- include "blockhub.serverEnv" $servers | trim | nindent 8 }}
        - name: BLOCKHUB_PROBE_HOST
          value: {{ $listen | quote }}
        {{- if $place.listens }}
        - name: BLOCKHUB_HOST
          value: {{ $listen | quote }}
        {{- end }}
        {{- if $place.partitions }}
        - name: BLOCKHUB_PARTITIONS
          value: {{ $values.global.partitions | quote }}
        {{- end }}
        {{- with $place.volume }}
        {{- if or (not (hasKey (get $values .of) "enabled")) (get $values .of).enabled }}
        - name: {{ .variable }}
          value: {{ .folder }}
        {{- end }}
        {{- end }}
        {{- include "blockhub.settingsEnv" $top | trim | nindent 8 }}
        {{- with include "blockhub.plainEnv" $top | trim }}
        {{- . | nindent 8 }}
        {{- end }}
      ports:
        - {name: probes, containerPort: 8081}
        {{- if $place.listens }}
        - {name: http, containerPort: 8080}
        {{- end }}
      startupProbe:
        httpGet: {path: /livez, port: probes}
        periodSeconds: 2
        failureThreshold: 60
      readinessProbe:
        httpGet: {path: /readyz, port: probes}
        periodSeconds: 5
        timeoutSeconds: 3
      livenessProbe:
        httpGet: {path: /livez, port: probes}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      {{- with $values.preStopSeconds }}
      lifecycle:
        preStop: {sleep: {seconds: {{ . }}}}
      {{- end }}
      {{- with $values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- include "blockhub.containerSecurity" $top | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        {{- if $files }}
        - {name: secrets, mountPath: /run/secrets/blockhub, readOnly: true}
        {{- end }}
        {{- if eq (include "blockhub.claims" .) "true" }}
        - {name: {{ $place.volume.of }}, mountPath: {{ $place.volume.mount }}}
        {{- end }}
  volumes:
    - {name: tmp, emptyDir: {}}
    {{- if $files }}
    - name: secrets
      projected:
        defaultMode: 0440
        sources:
          {{- $files | trim | nindent 10 }}
    {{- end }}
{{- end -}}
