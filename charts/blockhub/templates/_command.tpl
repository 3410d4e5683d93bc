{{/*
A pod that runs one command of Blockhub and ends. Takes dict "top" $ "of" "setup" "needs" (list …)
"args" (list …) "restart" "Never" "files" "sources of further secrets" "env" "further variables"
"resources" dict.
*/}}
{{- define "blockhub.commandPod" -}}
{{- $servers := dict "top" .top "user" .of "needs" .needs -}}
{{- $files := printf "%s%s" (include "blockhub.serverFiles" $servers) (.files | default "") -}}
{{- include "blockhub.podHead" (dict "top" .top "values" dict) }}
restartPolicy: {{ .restart }}
containers:
  - name: {{ .of }}
    image: {{ include "blockhub.image" .top | quote }}
    imagePullPolicy: {{ .top.Values.global.image.pullPolicy }}
    args: {{ toJson .args }}
    env:
      {{- include "blockhub.serverEnv" $servers | trim | nindent 6 }}
      - name: BLOCKHUB_PARTITIONS
        value: {{ .top.Values.global.partitions | quote }}
      {{- with .env }}
      {{- . | nindent 6 }}
      {{- end }}
    {{- with .resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    securityContext:
      {{- include "blockhub.containerSecurity" .top | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      {{- if $files }}
      - {name: secrets, mountPath: /run/secrets/blockhub, readOnly: true}
      {{- end }}
volumes:
  - {name: tmp, emptyDir: {}}
  {{- if $files }}
  - name: secrets
    projected:
      defaultMode: 0440
      sources:
        {{- $files | trim | nindent 8 }}
  {{- end }}
{{- end -}}
